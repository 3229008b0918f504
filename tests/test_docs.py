"""What the documentation names exists, and its blocks run."""

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine import Config
from mmengine.registry import FUNCTIONS, Registry

from mmwsss.utils.cli import PARTS, make_parser

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md'),
                *ROOT.glob('projects/*/README.md')])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
# In the order in which they are run, in one folder: later ones use what the first ones train.
RUN = ['README.md', *(f'docs/{name}.md' for name in (
    'get_started', 'pipeline', 'refinement', 'thresholds', 'concepts', 'own_data', 'deploy',
    'own_method', 'architecture', 'scaling', 'reproduce', 'troubleshooting'))]
PAGE_TOOLS = runpy.run_path(str(ROOT / 'tests/run_pages.py'), run_name='run_pages')
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
    files = page.parent.glob('*.py') if 'projects' in page.parts else []
    text = '\n'.join(path.read_text() for path in [page, *files])
    own = re.findall(r'^class (\w+)', text, re.MULTILINE)
    for name in set(re.findall(r"type='([\w.]+)'", page.read_text())) - {'Pretrained', *own}:
        assert any(r.get(name) is not None for r in registries), name


def options_of(script):
    text = (ROOT / script).read_text()
    if script.endswith('.sh'):
        text += (ROOT / 'tools/train.py').read_text() + (ROOT / 'tools/test.py').read_text()
    parser = make_parser(None, *(part for part in PARTS if f"'{part}'" in text))
    shared = {option for action in parser._actions for option in action.option_strings}
    return shared | set(re.findall(r"'(--?[\w-]+)'", text))


@each_page
def test_options_of_commands(page):
    """Every --option of a tool in a shell block is one of that tool's."""
    prose = re.sub(r'^ *```.*?^ *```', '', page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r'^    (?:python|pip|bash) ', prose, re.MULTILINE), 'no fence'
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


def test_every_page_is_linked():
    linked = {target.partition('#')[0].rsplit('/')[-1] for page in PAGES
              for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text())}
    assert {page.name for page in ROOT.glob('docs/*.md')} <= linked


def test_every_tool_is_mentioned():
    text = ''.join(page.read_text() for page in PAGES)
    for path in [*ROOT.glob('tools/*.*'), *ROOT.glob('tools/*/*.py')]:
        assert path.name in text or path.name in ('archives.py', 'common.py'), path.name


def write_files(page, folder):
    """Write the Python blocks that name their file."""
    for block in PAGE_TOOLS['blocks_of'](page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code)


def test_configs_for_own_data(tmp_path, monkeypatch):
    """Models and optimizer can be built, and one names the other."""
    from mmengine.optim import build_optim_wrapper

    from mmwsss.registry import MODELS
    from mmwsss.utils import register_all_modules
    write_files(ROOT / 'docs/own_data.md', tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(tmp_path)
    register_all_modules()
    cfg = Config.fromfile('my_project/pets.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    build_optim_wrapper(model, cfg.optim_wrapper)
    assert model.num_classes == 3 and len(model.wsss_modules) == 3
    MODELS.build(cfg.pipeline.mask | dict(bg=0.3))
    segment = Config.fromfile(cfg.pipeline.segment.config)
    assert segment.model.decode_head.num_classes == 4 and segment.val_dataloader is None
    dataset = segment.train_dataloader.dataset
    assert (dataset.type, dataset.img_dir) == ('PseudoMaskDataset', 'images')


def test_tests_of_own_method(tmp_path, monkeypatch):
    """The page's own tests pass as printed."""
    write_files(ROOT / 'docs/own_method.md', tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    page = importlib.import_module('my_project.test_scale_consistency')
    names = [name for name in vars(page) if name.startswith('test_')]
    assert len(names) == 2
    for name in names:
        getattr(page, name)()
    for name in [name for name in sys.modules if name.split('.')[0] == 'my_project']:
        del sys.modules[name]


def test_words():
    """The field's terms, see CONTRIBUTING.md."""
    for page in [*PAGES, ROOT / 'CHANGELOG.md']:
        if page.name != 'method_zoo.md' and page.parent.name != 'voc_animals':
            found = re.findall(r'(?i)\bpictures?\b|exact masks?|not done again', page.read_text())
            assert not found, (page.name, found)


def test_each_promise_has_its_tests():
    """Of docs/reliability.md: one row for each fault of the list, and the tests that it names."""
    text = (ROOT / 'docs/reliability.md').read_text()
    rows = [line.split('|')[1:4] for line in text.splitlines() if line.startswith('|')][2:]
    assert set(range(1, 14)) <= {int(number) for promise, _, _ in rows
                                 for number in re.findall(r'^ \*\*(\d+)\.', promise)}
    for promise, tests, _ in rows:
        file = None
        for name in re.findall(r'`([\w/]*\.py(?:::\w+)?|::\w+)`', tests):
            path, _, test = name.partition('::')
            if path:
                file, = [ROOT / path] if '/' in path else ROOT.glob(f'tests/**/{path}')
            source = file.read_text()
            assert f'def {test}(' in source if test else file.is_file(), name
        assert file is not None, promise


def test_images_are_small():
    images = list((ROOT / 'docs/images').glob('*.png'))
    assert len(images) >= 4 and all(path.stat().st_size < 150_000 for path in images)


def test_images_can_be_drawn_again():
    """All that their script takes from the package is there, and every image has its drawing."""
    pytest.importorskip('matplotlib')
    script = runpy.run_path(str(ROOT / 'docs/images/draw.py'), run_name='draw')
    for path in (ROOT / 'docs/images').glob('*.png'):
        assert callable(getattr(script['Drawing'], path.stem))


def test_runner_of_pages(tmp_path):
    """What it takes for a block, a file and a command."""
    page = tmp_path / 'page.md'
    page.write_text('1. One:\n\n   ```bash\n   make demo\n   a \\\n       b   # c\n\n   ```\n'
                    '<!-- needs: voc -->\n```shell\nx\n```\n```python\n# d/e.py\n1 / 0\n```\n')
    first, second, third = PAGE_TOOLS['blocks_of'](page)
    demo, joined = PAGE_TOOLS['commands_of'](first.code)
    assert demo == 'python tools/run_pipeline.py configs/demo/ktse_shapes.py'
    assert joined.split() == ['a', 'b'] and (first.needs, first.file) == ('', None)
    assert (second.language, second.needs) == ('bash', 'voc') and third.file == 'd/e.py'


@pytest.mark.slow
def test_blocks_run_as_printed(tmp_path):
    """Shell and Python blocks, on tiny Shapes, but for those that say what else they need."""
    done = subprocess.run(
        [sys.executable, ROOT / 'tests/run_pages.py', tmp_path, *(ROOT / name for name in RUN)],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / 'results.json').read_text())
    failed = {page: commands[-1] for page, commands in results.items()
              if any(command['status'] for command in commands)}
    assert not failed, failed
    assert sum(map(len, results.values())) > 30
    noise = {command['text']: command['noise'] for commands in results.values()
             for command in commands if command['noise'] and 'print_config' not in command['text']}
    assert not noise, noise  # the console is short, the log file has the rest


def test_blocks_that_are_not_run_say_what_they_need():
    known = {'network', 'download', 'voc', 'coco', 'gpu', 'minutes'}
    for page, name in zip(PAGES, IDS):
        found = [block for block in PAGE_TOOLS['blocks_of'](page)
                 if block.language in ('bash', 'python')]
        assert {block.needs for block in found} <= known | {''}
        assert name in RUN or all(block.needs for block in found), name


@pytest.mark.slow
def test_site_builds_without_warning(tmp_path):
    pytest.importorskip('mkdocs')
    pytest.importorskip('mkdocstrings')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', '--site-dir', tmp_path],
        cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and 'WARNING' not in done.stderr, done.stderr[-3000:]
    page = (tmp_path / 'api/models/index.html').read_text()
    assert 'WSSSClassifier' in page and 'SimulatedInterImageErasing' in page
    for html in tmp_path.rglob('*.html'):  # offline: nothing is loaded from elsewhere
        assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', html.read_text())


def test_checkpoint_of_the_demo():
    """README names the last checkpoint that the demo leaves."""
    text = (ROOT / 'README.md').read_text()
    config, epoch = re.search(r"'(configs/demo/\w+\.py)',\n.*epoch_(\d+)\.pth", text).groups()
    assert Config.fromfile(ROOT / config).train_cfg.max_epochs == int(epoch)


def test_every_file_of_weights_is_in_the_table():
    text = (ROOT / 'docs/reproduce.md').read_text()
    names = {name for path in ROOT.glob('configs/**/*.py')
             for name in re.findall(r'pretrain/[\w.-]+', path.read_text())}
    assert len(names) > 5
    assert [name for name in sorted(names) if f'`{name}`' not in text] == []
