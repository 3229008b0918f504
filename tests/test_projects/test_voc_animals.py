"""The plug-in backbone, from outside the package."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from projects.voc_animals import prepare  # noqa: E402
from projects.voc_animals.mobilenet import CHANNELS, STRIDES, MobileNetV1, SameConv  # noqa: E402


def tf_same(x, weight, stride):
    """TensorFlow's "SAME" by its definition: output i sees the window that begins at
    i * stride - before."""
    side = x.shape[-1]
    count = -(-side // stride)
    total = max((count - 1) * stride + 3 - side, 0)
    before = total // 2
    padded = torch.zeros(side + total)
    padded[before:before + side] = x
    return torch.stack([(padded[i * stride:i * stride + 3] * weight).sum() for i in range(count)])


@pytest.mark.parametrize('side', [7, 8, 9])
@pytest.mark.parametrize('stride', [1, 2])
def test_same_padding(side, stride):
    conv = SameConv(1, 1, 3, stride, bias=False)
    rows = torch.randn(3)
    conv.weight.data[:] = 0
    conv.weight.data[0, 0, 1] = rows  # a convolution along the width only
    x = torch.randn(side)
    out = conv(x.expand(side, side)[None, None])[0, 0]
    middle = out[out.shape[0] // 2]
    torch.testing.assert_close(middle, tf_same(x, rows, stride))


def reference(net, x):
    """Output stride 32 written out, parameter by parameter."""
    state = net.state_dict()

    def norm(x, name):
        return F.relu6(F.batch_norm(x, state[f'{name}.running_mean'], state[f'{name}.running_var'],
                                    state[f'{name}.weight'], state[f'{name}.bias'], eps=1e-3))

    def same(x, weight, stride, groups):
        pad = (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1)  # even sides
        return F.conv2d(F.pad(x, pad), weight, stride=stride, groups=groups)

    x = norm(same(x, state['conv1.weight'], 2, 1), 'bn1')
    for i, stride in enumerate(STRIDES):
        x = norm(same(x, state[f'dw.{i}.weight'], stride, x.shape[1]), f'dwb.{i}')
        x = norm(F.conv2d(x, state[f'pw.{i}.weight']), f'pwb.{i}')
    return x


def randomise(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


@torch.no_grad()
def test_forward_by_the_definition():
    net = randomise(MobileNetV1(width=0.25, output_stride=32)).eval()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(net(x)[0], reference(net, x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_output_strides():
    for stride in (32, 16, 8):
        net = MobileNetV1(width=0.25, output_stride=stride, out_indices=(3, 12)).eval()
        maps = net(torch.randn(1, 3, 64, 64))
        assert [m.shape[1] for m in maps] == [CHANNELS[3] // 4, CHANNELS[12] // 4]
        assert maps[-1].shape[-1] == 64 // stride
    assert [conv.dilation[0] for conv in net.dw] == [1] * 6 + [2] * 6 + [4]
    with pytest.raises(ValueError, match='output_stride=4'):
        MobileNetV1(output_stride=4)
    with pytest.raises(ValueError, match='blocks 0 to 12'):
        MobileNetV1(out_indices=(13, ))


def test_public_keys_load_without_conversion(tmp_path):
    net = randomise(MobileNetV1(width=0.25))
    path = tmp_path / 'mobilenet.pth'
    torch.save({**net.state_dict(), 'fc.weight': torch.zeros(10, 256, 1, 1),
                'fc.bias': torch.zeros(10)}, path)
    assert {key.split('.')[0] for key in net.state_dict()} == {
        'conv1', 'bn1', 'dw', 'dwb', 'pw', 'pwb'}
    again = MobileNetV1(width=0.25, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    again.init_weights()
    for key, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    state = net.state_dict()
    del state['pw.3.weight']
    torch.save(state, path)
    with pytest.raises(ValueError, match=r'pw\.3\.weight'):
        MobileNetV1(width=0.25, init_cfg=dict(type='Pretrained', checkpoint=str(path))
                    ).init_weights()


def test_frozen_parts():
    net = MobileNetV1(width=0.25, frozen_blocks=2).train()
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert 'conv1.weight' in frozen and 'pw.1.weight' in frozen and 'pw.2.weight' not in frozen
    assert not any(m.training for m in net.modules() if isinstance(m, nn.BatchNorm2d))


GPP_HEADS = ('GPPHead', 'PixelScoreHead')


@pytest.fixture
def configs(monkeypatch):
    """The second phases' configs by name."""
    from mmengine.config import Config
    monkeypatch.chdir(ROOT)
    files = sorted((ROOT / 'projects/voc_animals/configs').glob('*_voc6.py'))
    read = {file.stem.removesuffix('_voc6'): Config.fromfile(file) for file in files}
    return {name: cfg for name, cfg in read.items()
            if cfg.get('model', {}).get('type') == 'WSSSClassifier' and not name.startswith('cam')}


def test_second_phases_differ_only_in_the_idea(configs):
    """Start, images, batch, crop, rates and steps are one for all methods."""
    base = configs['gap']
    assert {'aeft', 'csd_sipe', 'eader', 'fsae_ktse', 'gap', 'ppc-eps', 'rcm'} < set(configs)
    for name, cfg in configs.items():
        first = 'cam-gpp' if cfg.model.head.type in GPP_HEADS else 'cam'
        assert cfg.pipeline.start == dict(
            config=f'projects/voc_animals/configs/{first}_voc6.py', seed=0), name
        assert cfg.val_dataloader == base.val_dataloader
        assert cfg.test_dataloader == base.test_dataloader
        assert cfg.param_scheduler == base.param_scheduler
        data, other = (one.train_dataloader.to_dict() for one in (cfg, base))
        for key in ('views', 'prior_dir', 'saliency_dir', 'pipeline'):
            for one in (data, other):
                one['dataset'].pop(key, None)
        assert data == other, name
        steps = [step for step in cfg.train_dataloader.dataset.pipeline
                 if step['type'] not in ('StrongView', 'LoadMask')]
        assert steps == base.train_dataloader.dataset.pipeline, name
        backbone = cfg.model.backbone.to_dict()
        backbone.pop('out_indices', None)
        assert backbone == base.model.backbone, name
        assert cfg.model.head.embed_channels == 256
        if name.startswith('eader'):
            assert cfg.train_cfg.max_epochs == 2  # one for each network
            assert cfg.optim_wrapper.localizer.optimizer == base.optim_wrapper.optimizer
        else:
            assert cfg.train_cfg.max_epochs == 1
            assert cfg.optim_wrapper == base.optim_wrapper


def test_every_method_goes_on_from_the_weights_of_the_first_phase(
        configs, tmp_path, without_weights):
    """Backbone, embedding and classifier of every method have the shapes of the first phase's."""
    from mmengine.config import Config

    from mmwsss.registry import MODELS
    from mmwsss.utils import register_all_modules
    register_all_modules()

    def build(cfg):
        return MODELS.build(without_weights(cfg.model.to_dict()))

    first = build(Config.fromfile('projects/voc_animals/configs/cam_voc6.py')).state_dict()
    for name, cfg in configs.items():
        state = build(cfg).state_dict()
        assert {key: value.shape for key, value in first.items()}.items() <= {
            key: value.shape for key, value in state.items()}.items(), name


def test_every_method_takes_its_first_steps(configs, without_weights):
    """Also the one in which the modules that rise have no weight yet."""
    from mmwsss.models.classifiers import Progress
    from mmwsss.registry import MODELS
    from mmwsss.structures import WSSSDataSample
    from mmwsss.utils import register_all_modules
    register_all_modules()
    mask = torch.zeros(64, 64, dtype=torch.long)
    mask[16:48, 16:48] = 1
    samples = [WSSSDataSample(gt_label=torch.eye(6)[label], prior_mask=mask * (label + 1),
                              gt_sem_seg=mask * (label + 1), paste_mask=mask > 0,
                              saliency=mask.float())
               for label in (0, 1)]
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for name, cfg in configs.items():
        model = MODELS.build(without_weights(cfg.model.to_dict())).train()
        if name == 'eader':  # the localizer's phase
            model.network('adversary').requires_grad_(False)
        views = {'image', *(view for module in model.wsss_modules for view in module.views)}
        batch = model.data_preprocessor(dict(
            inputs={view: list(images) for view in views},
            data_samples={view: samples for view in views if view != 'strong'}), True)
        for step in (0, 40):
            model.set_progress(Progress(0, step))
            losses = model(**batch, mode='loss')
            assert all(value.isfinite() for value in losses.values()), (name, losses)
            assert step == 0 or len(losses) > 1 or not model.wsss_modules, name


def test_the_background_score_learns_alone(monkeypatch, without_weights):
    """Of the first phase with gated pyramid pooling: the classifier is that of a training without
    the module, bit for bit."""
    from mmengine.config import Config

    from mmwsss.models.classifiers import Progress
    from mmwsss.registry import MODELS
    from mmwsss.structures import WSSSDataSample
    from mmwsss.utils import register_all_modules
    register_all_modules()
    monkeypatch.chdir(ROOT)
    cfg = Config.fromfile('projects/voc_animals/configs/cam-gpp_voc6.py')
    torch.manual_seed(1)
    images = list(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    samples = [WSSSDataSample(gt_label=torch.eye(6)[label]) for label in (0, 1)]
    trained = []
    for modules in (cfg.model.modules, []):
        torch.manual_seed(0)
        model = MODELS.build(without_weights(dict(cfg.model.to_dict(), modules=modules))).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        batch = model.data_preprocessor(
            dict(inputs=dict(image=images), data_samples=dict(image=samples)), True)
        for step in range(3):
            model.set_progress(Progress(0, step))
            losses = model(**batch, mode='loss')
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            assert ('background.loss_intra' in losses) == bool(modules)
        state = dict(model.network('student').state_dict())
        row = state['head.classifier.weight'][:1].clone()
        state['head.classifier.weight'] = state['head.classifier.weight'][1:]
        trained.append((row, state))
    (learned, with_module), (initial, without) = trained
    assert not torch.equal(learned, initial) and learned.isfinite().all()
    for key, value in without.items():
        assert torch.equal(value, with_module[key]), key


def test_seeds_of_the_pixel_scores(monkeypatch):
    from mmwsss.models import WSSSClassifier
    from mmwsss.models.utils.multi_scale import multi_scale_cam
    from mmwsss.registry import MODELS
    from mmwsss.utils import register_all_modules
    register_all_modules()
    monkeypatch.chdir(ROOT)
    import projects.voc_animals.pixel_scores  # noqa: F401
    head = dict(type='PixelScoreHead', num_classes=3, in_channels=512, embed_channels=8)
    with pytest.raises(ValueError, match='set background=True'):
        MODELS.build(head)
    torch.manual_seed(0)
    model = WSSSClassifier(
        dict(type='mmpretrain.ResNet', depth=18), dict(head, background=True)).eval()
    images, labels = torch.randn(2, 3, 96, 96), torch.tensor([[1., 0, 1], [0, 1, 0]])
    cams, background = multi_scale_cam(model, images, labels, (1., ), background=True)
    with torch.no_grad():
        prob = sum(
            model.extract(x).scores.softmax(1).flip(flip)
            for x, flip in ((images, ()), (images.flip(-1), (-1, )))) / 2
    prob = torch.nn.functional.interpolate(prob, (96, 96), mode='bilinear', align_corners=False)
    expected = prob / (prob.amax((2, 3), keepdim=True) + 1e-5)
    expected[:, 1:] *= labels[:, :, None, None]
    torch.testing.assert_close(torch.cat([background, cams], dim=1), expected, atol=1e-4, rtol=0)


def test_the_segmentor_has_the_classes_of_the_masks(monkeypatch):
    from mmengine.config import Config
    monkeypatch.chdir(ROOT)
    seg = Config.fromfile('projects/voc_animals/configs/deeplabv2_voc6.py')
    assert seg.model.decode_head.num_classes == len(seg.classes) + 1


def test_the_upper_bound_reads_the_ids_of_the_ground_truth(monkeypatch):
    """Exact masks have VOC's twenty classes, those of the pipeline the six."""
    from types import SimpleNamespace

    from mmengine.config import Config

    from mmwsss.datasets.supervised import use_ground_truth
    from mmwsss.pipeline.stages import SegmentStage
    monkeypatch.chdir(ROOT)
    seg = Config.fromfile('projects/voc_animals/configs/deeplabv2_voc6.py')
    use_ground_truth(seg)
    assert seg.train_dataloader.dataset.mask_classes == 'VOCImageLabelDataset'
    bound = SegmentStage(ground_truth=True)
    bound._check_classes(SimpleNamespace(classes=seg.classes), seg, 'x')
    for stage, classes in ((bound, seg.classes[::-1]), (SegmentStage(), seg.classes)):
        with pytest.raises(ValueError, match='trains on masks of the classes'):
            stage._check_classes(SimpleNamespace(classes=classes), seg, 'x')


_PHASES = ['start', 'classify', 'cam']


@pytest.mark.parametrize('file', ['two_phase', 'own_background', 'masks', 'segmentation'])
def test_second_phases_share_their_start(monkeypatch, tmp_path, file):
    """Every row of the tables goes on from the classifier of its head, of one seed for all."""
    from mmengine.config import Config

    from mmwsss.pipeline.tables import Table, Workplace
    for name in ('configs', 'projects'):
        (tmp_path / name).symlink_to(ROOT / name)
    data = tmp_path / 'data/voc_animals'
    folders = {'JPEGImages': '.jpg', 'SegmentationClassAug': '.png', 'saliency': '.png'}
    for folder in (*folders, 'ImageSets'):
        (data / folder).mkdir(parents=True)
    (data / 'ImageSets/Segmentation').symlink_to(prepare.LISTS)
    ids = {id_ for path in prepare.LISTS.glob('*.txt') for id_ in path.read_text().split()}
    for folder, ending in folders.items():
        for id_ in ids:
            (data / folder / f'{id_}{ending}').touch()
    (data / 'labels.json').write_text(json.dumps(dict.fromkeys(ids, ['cat'])))
    monkeypatch.chdir(tmp_path)
    table = Table(f'projects/voc_animals/{file}.py')
    place = Workplace(table, 'voc6', tmp_path / 'work')
    for row in table.rows:
        for seed in (0, 1):
            (variant, ) = place.variants(row, seed)
            stages = [stage for stage in variant.stages if stage != 'prior']
            assert stages in dict(
                two_phase=[_PHASES], own_background=[_PHASES],
                masks=[[*_PHASES, 'mask'], [*_PHASES, 'labels', 'affinity', 'mask']],
                segmentation=[['supervised'], [*_PHASES, 'mask', 'segment']])[file]
            if stages == ['supervised']:
                continue
            refiner = row.name.rpartition(', ')[2].lower()
            if refiner in ('psa', 'irn'):  # as the config that runs it alone
                cfg = variant.pipeline.context.cfg.pipeline
                alone = Config.fromfile(f'projects/voc_animals/configs/{refiner}_voc6.py').pipeline
                if row.name in ('KTSE, IRN', 'SIPE + CSD, IRN'):  # by the own background
                    alone.mask.update(bg='own', power=1.5)
                    alone.affinity.labels = dict(
                        type='IRLabel', fg='own', bg='own', bg_factor=0.5)
                if row.name == 'SEAM, IRN':  # its CAM is flat
                    alone.affinity.labels.update(fg=0.85, bg=0.65)
                assert (cfg.mask, cfg.affinity) == (alone.mask, alone.affinity)
            if 'prior' in variant.stages:  # one second phase, whoever refines its CAMs
                prior = variant.pipeline.stages['prior'].pipeline
                assert prior.context.mask_options['type'] == 'CRFMask'
                assert 'affinity' not in prior.stages
            start = variant.pipeline.stages['start'].pipeline.context
            gpp = variant.pipeline.context.cfg.model.head.type in GPP_HEADS
            assert start.file == f'projects/voc_animals/configs/cam{"-gpp" * gpp}_voc6.py'
            assert start.seed == 0


def test_prepare(tmp_path):
    voc, lists, out = tmp_path / 'voc', tmp_path / 'lists', tmp_path / 'out'
    for sub in ('JPEGImages', 'SegmentationClassAug', 'Annotations'):
        (voc / sub).mkdir(parents=True)
    lists.mkdir()
    (lists / 'val.txt').write_text('2007_000001\n')
    Image.new('RGB', (60, 40)).save(voc / 'JPEGImages' / '2007_000001.jpg')
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 8
    Image.fromarray(mask).save(voc / 'SegmentationClassAug' / '2007_000001.png')
    with pytest.raises(FileNotFoundError, match=r'2007_000001\.xml'):
        prepare.prepare(voc, out, 20, lists)
    (voc / 'Annotations' / '2007_000001.xml').write_text(
        '<annotation><object><name>cat</name></object></annotation>')
    assert prepare.prepare(voc, out, 20, lists) == 1
    assert Image.open(out / 'JPEGImages' / '2007_000001.jpg').size == (30, 20)
    small = np.array(Image.open(out / 'SegmentationClassAug' / '2007_000001.png'))
    assert small.shape == (20, 30) and (small[:, 15:] == 8).all() and (small[:, :15] == 0).all()
    assert json.loads((out / 'labels.json').read_text()) == {'2007_000001': ['cat']}
    assert prepare.reduced((500, 375), 256) == (341, 256)
    assert prepare.reduced((200, 100), 256) == (200, 100)


def test_lists_are_the_stated_ones():
    splits = {path.stem: path.read_text().split() for path in prepare.LISTS.glob('*.txt')}
    assert {name: len(ids) for name, ids in splits.items()} == dict(
        train_aug=3131, train=437, val=223)
    assert set(splits['train']) <= set(splits['train_aug'])
    assert not set(splits['val']) & set(splits['train_aug'])
