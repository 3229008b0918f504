"""From image labels to a segmentation model: the stages, what they need, and what they leave.

A method's config says it in a short block; everything in it is optional::

    pipeline = dict(
        baseline='configs/ktse/gpp_r38_voc.py',  # run beside it through the same stages
        prior='configs/irn/irn_r50_voc.py',      # its masks become the data set's prior_dir
        cam=dict(scales=(0.5, 1, 1.5, 2), flip=True, stride=1, batch_size=1),
        affinity=dict(                           # a network that learns from confident labels
            config='configs/irn/irnet_r50_voc.py',
            labels=dict(type='IRLabel', fg=0.3, bg=0.1)),
        mask=dict(type='CRFMask', bg='oracle'),  # see pipeline.masks; 'oracle' and 'held_out' take
                                                 # the threshold that the seeds' scores chose
        segment=dict(config='configs/deeplab/deeplabv2_r101_voc.py', cfg_options={}),
        report=dict(images=8))

Without ``segment`` the line ends at the masks. Relative paths are looked for from the working
folder and then from the folder above ``configs``.

The stages, each a folder of the work dir::

    prior/...    the same stages up to ``mask`` for the config of the prior masks
    classify     train_dataloader, train_cfg ... of the config, by mmengine's Runner
    cam          <name>.npz of the training and all scored images; seeds.json
    labels       confident labels for the affinity network
    affinity     training of that network
    mask         <name>.png of the same images; scores.json
    segment      mmseg's training on the masks of the *training* images, then its test
    baseline/... the same for the baseline
    report       index.html

Scored are the images of ``val_dataloader`` and, if they are others, of ``test_dataloader``; each
split is called by the name of its list. ``mIoU@oracle`` is at the best threshold of that split,
``mIoU@held_out`` at the threshold of a held-out part (:class:`SeedMetric`). The masks take one
threshold for all images, chosen on the first split (``val_dataloader``, on VOC the images of
``train`` that have ground truth, as in the field's papers).
"""

import hashlib
import os
from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmwsss.engine import use_amp, use_safe_checkpoints
from mmwsss.evaluation import mask_iou
from mmwsss.inference.cams import (
    build_cam_dataset,
    exact_mask,
    generate_cams,
    inner_dataset,
    load_model,
    read_config,
    score_cams,
)
from mmwsss.registry import DATASETS, MODELS, TRANSFORMS
from mmwsss.utils import atomic_write, check_pretrained
from mmwsss.utils.errors import constructor_options
from mmwsss.utils.masks import write_mask
from mmwsss.utils.model import unwrap_model

from .masks import generate_masks
from .stage import Stage, digest
from .training import last_checkpoint, train

STAGES = ('prior', 'classify', 'cam', 'labels', 'affinity', 'mask', 'segment')
OPTIONS = {'baseline', 'prior', 'cam', 'affinity', 'mask', 'segment', 'report'}
TRAINING_KEYS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler',
                 'custom_hooks', 'load_from', 'model_wrapper_cfg')
DEFAULT_MASK = dict(type='CRFMask', bg='oracle')


def find_file(path: str, base: Optional[str] = None) -> str:
    """A path that a config names: as it is, or relative to the folder above ``configs``.

    Raises:
        FileNotFoundError: It is nowhere; names both places.
    """
    places = [Path(path)]
    if base:
        above = [folder.parent for folder in Path(base).resolve().parents
                 if folder.name in ('configs', 'projects')]
        places += [p / path for p in above]
    for place in places:
        if place.is_file():
            return str(place)
    raise FileNotFoundError(f'no file "{path}" that the pipeline names (looked for at '
                            f'{", ".join(map(str, places))})')


class Split:
    """Images with ground truth.

    Args:
        cfg: Config of their :class:`ImageLabelDataset`, possibly wrapped.
    """

    def __init__(self, cfg: dict):
        self.dataset = build_cam_dataset(cfg, masks=True)
        self.name = Path(self.dataset.ann_file).stem or 'pictures'

    @cached_property
    def names(self) -> list[str]:
        return [self.dataset.get_data_info(i)['name'] for i in range(len(self.dataset))]

    @property
    def gt_dir(self) -> str:
        return self.dataset.map_dirs['seg_map_path'][1]

    @property
    def gt_ids(self) -> np.ndarray:
        """Table from ids in files to those of the chosen classes."""
        return self.dataset.mask_lut.astype(np.uint8)  # out of range (-1) becomes 255

    def exact(self, name: str) -> np.ndarray:
        """Ground-truth mask ``(H, W)``."""
        return exact_mask(self.dataset.get_data_info(self.names.index(name)))


class Pictures:
    """Several data sets as one, each image once; what CAMs and masks are made of."""

    def __init__(self, datasets: Sequence):
        self.metainfo = datasets[0].metainfo
        self._items, seen = [], set()
        for dataset in datasets:
            for i in range(len(dataset)):
                name = dataset.get_data_info(i)['name']
                if name not in seen:
                    seen.add(name)
                    self._items.append((dataset, i))

    def __len__(self) -> int:
        return len(self._items)

    def get_data_info(self, index: int) -> dict:
        dataset, i = self._items[index]
        return dataset.get_data_info(i)

    def __getitem__(self, index: int) -> dict:
        dataset, i = self._items[index]
        return dataset[i]


def list_digest(dataset: Any) -> str:
    """Checksum of names and labels."""
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return digest([(info['name'], [int(c) for c in info.get('labels', ())]) for info in infos])


def file_digests(cfg: Any) -> list:
    """Checksums of the weights that a config starts from."""
    if isinstance(cfg, (list, tuple)):
        return [x for item in cfg for x in file_digests(item)]
    if not isinstance(cfg, dict):
        return []
    found = []
    for key, value in cfg.items():
        if key in ('checkpoint', 'load_from') and isinstance(value, str):
            path = Path(value).expanduser()
            if path.is_file():
                found.append([value, hashlib.sha256(path.read_bytes()).hexdigest()[:16]])
        else:
            found += file_digests(value)
    return found


class Pipeline:
    """All stages of one method.

    Args:
        config: Config of the method, or its file.
        work_dir: Folder of the stages.
        seed: Of the trainings.
        stages: Names of the stages to run (of :data:`STAGES`, also for prior and baseline); None is
            all of them.
        options: Replaces the config's ``pipeline`` block (the baseline takes that of the method).
        device: ``'cpu'`` or ``'cuda'``; default: a GPU if there is one.
        launch: Keys put into every training's config (``launcher`` ...).
        amp: Mixed precision in every training, see :func:`mmwsss.engine.use_amp`.

    Raises:
        FileNotFoundError, ValueError: What can be known to be wrong before the training; see
            :meth:`check`.
    """

    def __init__(self,
                 config: Union[str, Path, Config],
                 work_dir: Union[str, Path],
                 seed: int = 0,
                 stages: Optional[Sequence[str]] = None,
                 options: Optional[dict] = None,
                 device: Optional[str] = None,
                 launch: Optional[dict] = None,
                 amp: bool = False):
        self.amp = amp
        self.cfg = self._training_config(config)
        self.file = self.cfg.filename
        self.name = Path(self.file).stem if self.file else 'method'
        self.work_dir = Path(work_dir)
        self.seed = seed
        self.device = device
        self.launch = dict(launch or {})
        self.options = deepcopy(options) if options is not None else plain(
            self.cfg.get('pipeline', {}))
        unknown = set(self.options) - OPTIONS
        if unknown:
            raise ValueError(f'{self.file}: pipeline has no option {sorted(unknown)}; it has '
                             f'{sorted(OPTIONS)}')
        wrong = set(stages or ()) - set(STAGES)
        if wrong:
            raise ValueError(f'no stage {sorted(wrong)}; there are {list(STAGES)}')
        self.wanted = set(STAGES if stages is None else stages)
        self.prior = self._side('prior', set(STAGES) if 'prior' in self.wanted else set())
        self.baseline = self._side('baseline', self.wanted)
        if self.prior is not None:
            _set_prior_dir(self.cfg.train_dataloader, str((self.prior.work_dir / 'mask').resolve()))
        self.stages = self._stages()

    def _side(self, which: str, stages: set) -> Optional['Pipeline']:
        """The pipeline of the prior or baseline config, which runs these stages."""
        config = self.options.get(which)
        if config is None:
            return None
        leave = {'prior', 'baseline', 'segment'} if which == 'prior' else {'prior', 'baseline'}
        options = {key: value for key, value in self.options.items() if key not in leave}
        return Pipeline(find_file(config, self.file), self.work_dir / which, self.seed, stages,
                        options, self.device, self.launch, self.amp)

    def _training_config(self, config: Union[str, Path, Config],
                         cfg_options: Optional[dict] = None) -> Config:
        """A config to train from, with what the command line changes in all of them."""
        cfg = read_config(config)
        cfg.merge_from_dict(cfg_options or {})
        use_safe_checkpoints(cfg)
        if self.amp and 'optim_wrapper' in cfg:
            use_amp(cfg.optim_wrapper)
        return cfg

    # -- data --------------------------------------------------------------------------------------
    @cached_property
    def train_set(self):
        """Whole training images with labels."""
        return build_cam_dataset(self.cfg.train_dataloader.dataset)

    @cached_property
    def splits(self) -> list[Split]:
        """Scored images."""
        splits = []
        for key in ('val_dataloader', 'test_dataloader'):
            if self.cfg.get(key):
                split = Split(self.cfg[key].dataset)
                if all(split.names != other.names for other in splits):
                    splits.append(split)
        names = [split.name for split in splits]
        for i, split in enumerate(splits):
            if names.count(split.name) > 1:
                split.name = f'{split.name}_{i}'
        return splits

    @property
    def pictures(self) -> Pictures:
        return Pictures([self.train_set, *(split.dataset for split in self.splits)])

    @property
    def classes(self) -> tuple:
        return tuple(self.train_set.metainfo['classes'])

    @property
    def palette(self) -> list:
        return self.train_set.metainfo['palette']

    # -- stages ------------------------------------------------------------------------------------
    def _stages(self) -> dict[str, Stage]:
        """Stages by name, in order."""
        stages = {}

        def add(name: str, settings: dict, inputs: Sequence[str], work) -> None:
            stages[name] = Stage(f'{self.name}/{name}', self.work_dir / name, settings,
                                 [stages[key] for key in inputs if key in stages], work)

        cfg = plain(self.cfg)
        training = {key: cfg[key] for key in TRAINING_KEYS if cfg.get(key) is not None}
        for loader in (training.get('train_dataloader'), ):
            for key in ('num_workers', 'persistent_workers', 'pin_memory'):
                loader.pop(key, None)
        add('classify', dict(config=training, seed=self.seed, data=list_digest(self.train_set),
                             weights=file_digests(training)), (), self._classify)
        if self.prior is not None:
            stages['classify'].inputs.append(self.prior.stages['mask'])
        cam = {key: value for key, value in self.cam_options.items()
               if key not in ('batch_size', 'num_workers')}
        add('cam', dict(options=cam, data=list_digest(self.pictures)), ['classify'], self._cam)
        affinity = self.options.get('affinity')
        if affinity:
            net = plain(self._affinity_config())
            add('labels', dict(options=affinity['labels']), ['cam'], self._labels)
            add('affinity', dict(
                config={key: net[key] for key in TRAINING_KEYS if net.get(key) is not None},
                seed=self.seed, weights=file_digests(net)), ['labels'], self._affinity)
        add('mask', dict(options=self.mask_options), ['cam', 'affinity'], self._mask)
        if self.options.get('segment'):
            seg = plain(self._segment_config())
            keys = (*TRAINING_KEYS, 'val_dataloader', 'test_dataloader', 'test_evaluator')
            add('segment', dict(
                config={key: seg[key] for key in keys if seg.get(key) is not None},
                seed=self.seed, data=list_digest(self.train_set), weights=file_digests(seg)),
                ['mask'], self._segment)
        return stages

    @property
    def cam_options(self) -> dict:
        options = self.options.get('cam') or {}
        if not options:
            test_cfg = plain(self.cfg.model.get('test_cfg') or {})
            options = {key: test_cfg[key] for key in ('scales', 'flip', 'relu', 'norm')
                       if key in test_cfg}
        return options

    @property
    def mask_options(self) -> dict:
        return self.options.get('mask') or DEFAULT_MASK

    def _classify(self, folder: Path) -> dict:
        self._train(self.cfg, folder)
        return dict(checkpoint=last_checkpoint(folder).name)

    def _train(self, cfg: Config, folder: Path) -> Runner:
        return train(cfg, folder, self.seed, self.launch)

    def _cam(self, folder: Path) -> dict:
        model = load_model(self.cfg, last_checkpoint(self.stages['classify'].folder), self.device)
        generate_cams(model, self.pictures, folder, **self.cam_options)
        del model
        return self._score_seeds(folder)

    def _score_seeds(self, folder: Path) -> dict:
        """Seed scores by split; the whole curves go to ``seeds_<split>.json``."""
        if not is_main_process():
            return {}
        return {split.name: score_cams(split.dataset, folder,
                                       out_file=str(folder / f'seeds_{split.name}.json'))
                for split in self.splits}

    def threshold(self) -> Optional[float]:
        """The background threshold that the masks' options ask for."""
        bg = self.mask_options.get('bg')
        if not isinstance(bg, str):
            return bg
        scores = self.stages['cam'].result[self.splits[0].name]
        return scores[f'threshold@{bg}']

    def _refiner(self, threshold: Optional[float], checkpoint: Optional[str] = None) -> dict:
        options = dict(self.mask_options)
        if 'bg' in options:
            options['bg'] = threshold
        if self.options.get('affinity'):
            options.setdefault('model', plain(self._affinity_config().model))
            options.setdefault('checkpoint', checkpoint)
            if self.device is not None:
                options.setdefault('device', self.device)
        options.pop('num_workers', None)
        return options

    def _workers(self) -> int:
        return self.mask_options.get('num_workers', min(os.cpu_count() or 1, 8))

    def _labels(self, folder: Path) -> dict:
        report = generate_masks(self.train_set, self.stages['cam'].folder, folder,
                                self.options['affinity']['labels'], self._workers())
        _fail_if_any(report, folder)
        return dict(pictures=len(self.train_set))

    def _affinity_config(self) -> Config:
        affinity = self.options['affinity']
        cfg = self._training_config(
            find_file(affinity['config'], self.file), affinity.get('cfg_options'))
        _set_prior_dir(cfg.train_dataloader, str((self.work_dir / 'labels').resolve()))
        return cfg

    def _affinity(self, folder: Path) -> dict:
        self._train(self._affinity_config(), folder)
        return dict(checkpoint=last_checkpoint(folder).name)

    def _mask(self, folder: Path) -> dict:
        checkpoint = None
        if 'affinity' in self.stages:
            checkpoint = str(last_checkpoint(self.stages['affinity'].folder))
        threshold = self.threshold()
        report = generate_masks(self.pictures, self.stages['cam'].folder, folder,
                                self._refiner(threshold, checkpoint), self._workers(),
                                self.palette)
        _fail_if_any(report, folder)
        scores = {split.name: mask_iou(folder, split.gt_dir, split.names, len(self.classes),
                                       split.gt_ids) for split in self.splits}
        return dict(scores, threshold=threshold)

    def _segment_config(self) -> Config:
        """The config of the segmentation stage, told where masks and list are."""
        segment = self.options['segment']
        cfg = self._training_config(
            find_file(segment['config'], self.file), segment.get('cfg_options'))
        dataset = inner_dataset(cfg.train_dataloader.dataset)
        dataset['mask_dir'] = str((self.work_dir / 'mask').resolve())
        dataset['ann_file'] = str((self.work_dir / 'segment' / 'pictures.txt').resolve())
        return cfg

    def _segment(self, folder: Path) -> dict:
        if is_main_process():
            with atomic_write(folder / 'pictures.txt') as file:
                file.writelines(f'{self.train_set.get_data_info(i)["name"]}\n'
                                for i in range(len(self.train_set)))
        barrier()
        cfg = self._segment_config()
        evaluator = cfg.test_evaluator
        evaluator['output_dir'] = str(folder / 'predictions')
        runner = self._train(cfg, folder)
        metrics = runner.test()
        self._show(runner, cfg, folder / 'shown')
        dataset = runner.test_dataloader.dataset
        names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
        scores = mask_iou(folder / 'predictions', dataset.data_prefix['seg_map_path'], names,
                          len(self.classes), dataset.id_table) if is_main_process() else {}
        return dict(scores, split=Path(dataset.ann_file).stem, mmseg=metrics)

    @torch.no_grad()
    def _show(self, runner, cfg: Config, folder: Path) -> None:
        """Predictions for the images of the report."""
        if not is_main_process():
            return
        steps = [step for step in inner_dataset(cfg.test_dataloader.dataset)['pipeline']
                 if not step['type'].startswith('Load') or step['type'] == 'LoadImageFromFile']
        compose = Compose([TRANSFORMS.build(step) for step in steps])
        model = unwrap_model(runner.model).eval()
        for name, path in self.shown():
            data = compose(dict(img_path=path))
            sample = model.test_step(
                dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
            mask = sample.pred_sem_seg.data[0].cpu().numpy()
            write_mask(folder / f'{name}.png', mask, self.palette)

    def shown(self) -> list[tuple[str, str]]:
        """Name and file of the images of the report: spread over the last scored split, those of
        several classes first."""
        count = (self.options.get('report') or {}).get('pictures', 8)
        if not self.splits:
            return []
        dataset = self.splits[-1].dataset
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        several = [info for info in infos if len(info['labels']) > 1]
        single = [info for info in infos if len(info['labels']) == 1]

        def spread(items: list, n: int) -> list:
            return [items[i * len(items) // n] for i in range(min(n, len(items)))] if items else []

        chosen = spread(several, count // 2)
        chosen += spread(single, count - len(chosen))
        return [(info['name'], info['img_path']) for info in chosen]

    # -- running -----------------------------------------------------------------------------------
    def check(self) -> None:
        """All that can be known before the training: files and labels, weights, options of modules,
        of the refinement and of the segmentation config.

        Raises:
            FileNotFoundError, ValueError, TypeError, KeyError, ImportError: Names file or key, and
                the mend.
        """
        if self.prior is not None:
            self.prior.check()
        for part in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
            if part not in self.cfg:
                raise ValueError(f'config "{self.file}" has no {part}; the pipeline trains a '
                                 'classifier from it')
        if not self.splits:
            raise ValueError(f'config "{self.file}" has no val_dataloader with ground truth; the '
                             'seeds are scored on its images')
        check_pretrained(self.cfg)
        model = MODELS.build(self.cfg.model)
        count = getattr(model, 'num_classes', len(self.classes))
        if count != len(self.classes):
            raise ValueError(f'config "{self.file}": the head has {count} classes, the data set '
                             f'{len(self.classes)}; set model.head.num_classes')
        del model
        if self.prior is None:  # else its masks are not there yet
            DATASETS.build(self.cfg.train_dataloader.dataset)
        self._check_refiners()
        if 'segment' in self.stages:
            self._check_segment()
        if self.baseline is not None:
            self.baseline.check()
            if self.baseline.classes != self.classes:
                raise ValueError(f'the baseline "{self.baseline.file}" has the classes '
                                 f'{self.baseline.classes}, this method {self.classes}')

    def _check_refiners(self) -> None:
        bg = self.mask_options.get('bg')
        if isinstance(bg, str) and bg not in ('oracle', 'held_out'):
            raise ValueError(f'pipeline.mask.bg={bg!r} must be a number, "oracle" or "held_out"')
        refiner = self._refiner(0.3 if isinstance(bg, str) else bg)
        if 'affinity' not in self.stages:
            MODELS.build(refiner)
            return
        # Its network has no weights yet, so it is not built.
        kind = MODELS.get(refiner['type'])
        if kind is None:
            raise KeyError(f'pipeline.mask.type: no refiner "{refiner["type"]}"')
        unknown = set(refiner) - set(constructor_options(kind)) - {'type'}
        if unknown:
            raise TypeError(f'pipeline.mask: {refiner["type"]} has no option {sorted(unknown)}')
        affinity = self._affinity_config()
        check_pretrained(affinity)
        MODELS.build(affinity.model)
        MODELS.build(self.options['affinity']['labels'])

    def _check_segment(self) -> None:
        cfg = self._segment_config()
        name = self.options['segment']['config']
        check_pretrained(cfg)
        head = cfg.model.decode_head
        if head.num_classes != len(self.classes) + 1:
            raise ValueError(
                f'segmentation config "{name}" has model.decode_head.num_classes='
                f'{head.num_classes}; needed are {len(self.classes) + 1} (the background counts)')
        with_scope = DATASETS.build(cfg.test_dataloader.dataset)
        if tuple(with_scope.metainfo['classes'][1:]) != self.classes:
            raise ValueError(
                f'segmentation config "{name}" tests the classes {with_scope.metainfo["classes"]}, '
                f'the method has {self.classes}; set metainfo of its data sets')
        MODELS.build(cfg.model)

    def run(self, check: bool = True) -> dict:
        """Run the wanted stages, those of prior and baseline included.

        Returns:
            :meth:`results`.
        """
        if check:
            self.check()
        if self.prior is not None:
            self.prior.run(check=False)
        stages = [stage for name, stage in self.stages.items() if name in self.wanted]
        for number, stage in enumerate(stages, 1):
            print_log(f'[{number}/{len(stages)}] {stage.name}', logger='current')
            stage.run()
        if self.baseline is not None:
            self.baseline.run(check=False)
        return self.results()

    def results(self) -> dict:
        """Records of the finished stages by name, and those of the baseline under ``baseline``."""
        records = {name: stage.result for name, stage in self.stages.items() if stage.is_done}
        if self.baseline is not None:
            records['baseline'] = self.baseline.results()
        return records


def plain(cfg: Any) -> Any:
    """A config as plain dicts and lists."""
    if isinstance(cfg, Config):
        return cfg.to_dict()
    return cfg.to_dict() if isinstance(cfg, ConfigDict) else deepcopy(cfg)


def _set_prior_dir(cfg: Any, folder: str) -> None:
    """Point every data set below ``cfg`` that reads prior maps to a folder."""
    if isinstance(cfg, dict):
        if 'prior_dir' in cfg:
            cfg['prior_dir'] = folder
        for value in cfg.values():
            _set_prior_dir(value, folder)
    elif isinstance(cfg, (list, tuple)):
        for value in cfg:
            _set_prior_dir(value, folder)


def _fail_if_any(report: Any, folder: Path) -> None:
    if report.failed:
        name, error = next(iter(report.failed.items()))
        raise RuntimeError(
            f'{len(report.failed)} images failed, e.g. "{name}": {error}. All are listed in '
            f'{folder / "failed.json"}; mend them and run the same command, which redoes only '
            'those')

