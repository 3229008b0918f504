"""What the documentation names exists, and its Python runs."""

import re
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import FUNCTIONS, Registry

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md'),
                *ROOT.glob('projects/*/README.md')])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize('page', PAGES, ids=IDS)


def blocks(page, language):
    return re.findall(rf'^ *```{language}\n(.*?)^ *```', page.read_text(), re.DOTALL | re.MULTILINE)


def anchors(page):
    """Names of the headings as the web makes them."""
    titles = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@each_page
def test_links(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if re.match(r'https?://', target):
            continue
        path, _, anchor = target.partition('#')
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(ROOT) and linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


@each_page
def test_paths(page):
    text = page.read_text()
    paths = re.findall(
        r'(?<![\w/.-])(?:configs|tools|projects|requirements|mmwsss|tests)/[\w./-]*\w', text)
    for path in paths:
        assert (ROOT / path).exists() or (page.parent / path).exists(), path
    assert not re.search(r'(?<![\w.])/(?:work|home|root|tmp)/|\.\./shared', text)


@each_page
def test_python_compiles(page):
    for number, code in enumerate(blocks(page, 'python')):
        compile(code, f'{page.name}:{number}', 'exec')


@each_page
def test_registered_names(page):
    from mmwsss import apis, pipeline, registry  # noqa: F401
    from mmwsss.utils import register_all_modules
    register_all_modules()
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    registries += [FUNCTIONS]
    own = re.findall(r'^class (\w+)', page.read_text(), re.MULTILINE)
    for name in set(re.findall(r"type='([\w.]+)'", page.read_text())) - {'Pretrained', *own}:
        assert any(r.get(name) is not None for r in registries), name


def options_of(script):
    text = (ROOT / script).read_text()
    if script.endswith('.sh'):
        text += (ROOT / 'tools/train.py').read_text() + (ROOT / 'tools/test.py').read_text()
    if script.endswith('.sh') or 'mmwsss.utils.cli' in text:
        text += (ROOT / 'mmwsss/utils/cli.py').read_text()
    return set(re.findall(r"'(--?[\w-]+)'", text))


@each_page
def test_options_of_commands(page):
    """Every --option of a tool in a shell block is one of that tool's."""
    for code in blocks(page, '(?:bash|shell)'):
        for line in code.replace('\\\n', ' ').splitlines():
            match = re.search(r'(tools/[\w/]+\.(?:py|sh)|projects/[\w/]+\.py)(.*)', line)
            if match:
                words = match[2].split(' #')[0]
                used = set(re.findall(r'(?<= )--[\w-]+', words))
                assert used <= options_of(match[1]), (line, used - options_of(match[1]))


def test_all_configs_are_in_the_zoo():
    zoo = (ROOT / 'docs/method_zoo.md').read_text()
    for path in ROOT.glob('configs/*/*.py'):
        if path.parent.name not in ('_base_', 'demo', 'tables'):
            assert f'configs/{path.parent.name}/{path.name}' in zoo, path.name
    for page in ROOT.glob('docs/zoo_*.md'):
        assert f'({page.name})' in zoo, page.name


def test_every_page_is_linked():
    linked = {target.partition('#')[0].rsplit('/')[-1] for page in PAGES
              for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text())}
    assert {page.name for page in ROOT.glob('docs/*.md')} <= linked


def test_every_tool_is_mentioned():
    text = ''.join(page.read_text() for page in PAGES)
    for path in [*ROOT.glob('tools/*.*'), *ROOT.glob('tools/*/*.py')]:
        assert path.name in text or path.name == 'archives.py', path.name


def test_config_for_own_data(tmp_path):
    """Its model and optimizer can be built."""
    from mmengine.optim import build_optim_wrapper

    from mmwsss.registry import MODELS
    from mmwsss.utils import register_all_modules
    code = next(code for code in blocks(ROOT / 'docs/own_data.md', 'python') if '_base_' in code)
    path = tmp_path / 'pets.py'
    path.write_text(code.replace("'../configs", f"'{ROOT}/configs"))
    cfg = Config.fromfile(path)
    register_all_modules()
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    build_optim_wrapper(model, cfg.optim_wrapper)
    assert model.num_classes == 3 and len(model.wsss_modules) == 3


def test_module_of_own_method():
    """It gives what its test says, and is one forward pass per view."""
    from mmwsss.models import WSSSClassifier
    from mmwsss.structures import WSSSDataSample
    module, _, test, backbone, *_ = blocks(ROOT / 'docs/own_method.md', 'python')
    scope = {}
    for code in (module, backbone, test):
        exec(compile(code, 'own_method.md', 'exec'), scope)
    scope['test_scale_consistency_loss'](scope['scale_consistency_loss'])
    model = WSSSClassifier(
        dict(type='TwoConvolutions', channels=4),
        dict(type='GAPHead', num_classes=3, in_channels=4),
        [dict(type='ScaleConsistency', weight=2.)])
    sample = WSSSDataSample()
    sample.gt_label = torch.tensor([1., 0, 1])
    losses = model.loss({'image': torch.randn(2, 3, 32, 32)}, {'image': [sample, sample]})
    assert set(losses) == {'loss_cls', 'scale.loss_consistency'}
    sum(losses.values()).backward()
    assert model.backbone.layers[0].weight.grad.abs().sum() > 0


def test_checkpoint_of_the_demo():
    """README names the last checkpoint that the demo leaves."""
    text = (ROOT / 'README.md').read_text()
    config, epoch = re.search(r"'(configs/demo/\w+\.py)',\n.*epoch_(\d+)\.pth", text).groups()
    assert Config.fromfile(ROOT / config).train_cfg.max_epochs == int(epoch)
