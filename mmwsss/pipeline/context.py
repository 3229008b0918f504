"""What a config says of its data, weights, refiner and threshold: asked by stages and tools."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.datasets.splits import ImageUnion, Split, build_image_dataset
from mmwsss.engine import use_amp, use_safe_checkpoints
from mmwsss.inference import (
    DEFAULT_RULE,
    RULES,
    cam_options,
    choose_threshold,
    read_config,
    score_cams,
)
from mmwsss.inference.cam_options import resolve_test_cfg
from mmwsss.registry import MODELS
from mmwsss.utils.errors import constructor_options
from mmwsss.utils.setup_env import choose_device
from mmwsss.utils.shipped import HOME
from mmwsss.utils.spread import spread

from .fingerprint import plain
from .training import last_checkpoint

# PAR: the best of tools/benchmarks/refiners.py at a threshold chosen without ground truth.
DEFAULT_MASK = dict(type='PARMask', bg='oracle')


def find_file(path: str, base: str | None = None) -> str:
    """A path that a config names: as it is, relative to the folder above ``configs``, beside the
    config, or of what comes with mmwsss.

    Raises:
        FileNotFoundError: It is nowhere; names the places.
    """
    places = [Path(path)]
    if base:
        above = [folder.parent for folder in Path(base).resolve().parents
                 if folder.name in ('configs', 'projects')]
        places += [p / path for p in above] + [Path(base).resolve().parent / path]
    places.append(HOME / path)
    for place in places:
        if place.is_file():
            return str(place)
    raise FileNotFoundError(f'no file "{path}" that the pipeline names (looked for at '
                            f'{", ".join(map(str, places))})')


def set_prior_dir(cfg: Any, folder: str) -> None:
    """Point every data set below ``cfg`` that reads prior maps to a folder."""
    if isinstance(cfg, dict):
        if 'prior_dir' in cfg:
            cfg['prior_dir'] = folder
        for value in cfg.values():
            set_prior_dir(value, folder)
    elif isinstance(cfg, (list, tuple)):
        for value in cfg:
            set_prior_dir(value, folder)


class Context:
    """A method and the folder it works in.

    Args:
        config: Config of the method, or its file.
        work_dir: Folder of the stages.
        seed: Of the trainings.
        options: Replaces the config's ``pipeline`` block.
        device: ``'cpu'`` or ``'cuda'``; default: a GPU if there is one.
        launch: Keys put into every training's config (``launcher`` ...).
        amp: Mixed precision in every training, see :func:`mmwsss.engine.use_amp`.
        side: Makes the pipeline of another config that works beside this one:
            ``side(config, folder, options, seed=None)``.
        store: Folder that several pipelines share, see :meth:`folder_of`.
    """

    def __init__(self,
                 config: str | Path | Config,
                 work_dir: str | Path,
                 seed: int = 0,
                 options: dict | None = None,
                 device: str | None = None,
                 launch: dict | None = None,
                 amp: bool = False,
                 side: Callable[..., Any] | None = None,
                 store: str | Path | None = None):
        self.amp = amp
        self.cfg = self.training_config(config)
        if options is not None:
            self.cfg.pipeline = deepcopy(options)
            resolve_test_cfg(self.cfg)
        self.options = plain(self.cfg.get('pipeline') or {})
        self.file = self.cfg.filename
        self.name = Path(self.file).stem if self.file else 'method'
        self.work_dir = Path(work_dir)
        self.seed = seed
        choose_device(device)  # before anything is trained
        self.device = device
        self.launch = dict(launch or {})
        self.side = side
        self.store = None if store is None else Path(store)

    @property
    def root(self) -> Path:
        """The folder that has those of all stages."""
        return self.store or self.work_dir

    def folder_of(self, stage: Any) -> Path:
        """The folder of a stage: ``<work_dir>/<stage>``, or ``<store>/<stage>-<fingerprint>``,
        which all pipelines with an equal stage share."""
        return self.root / (f'{stage.key}-{stage.fingerprint}' if self.store else stage.key)

    def training_config(self, config: str | Path | Config,
                        options: Mapping[str, Any] | None = None) -> Config:
        """A config to train from, with what the command line changes in all of them."""
        cfg = read_config(config, options)
        use_safe_checkpoints(cfg)
        if self.amp and 'optim_wrapper' in cfg:
            use_amp(cfg.optim_wrapper)
        return cfg

    def find(self, path: str) -> str:
        """A file that the config names, see :func:`find_file`."""
        return find_file(path, self.file)

    def side_config(self, name: str) -> tuple[str, dict]:
        """Config file and own options of ``name='file'`` or ``name=dict(config='file', ...)``.

        Raises:
            ValueError: It names no config.
        """
        value = self.options[name]
        if isinstance(value, str):
            return value, {}
        if not isinstance(value, dict) or 'config' not in value:
            raise ValueError(f'{self.file}: pipeline.{name} is a config file, or a dict with '
                             f'config=..., not {value!r}')
        return value['config'], {key: item for key, item in value.items() if key != 'config'}

    def block(self, name: str) -> dict:
        """A block of the config's ``pipeline``; empty if there is none."""
        return self.options.get(name) or {}

    # -- data --------------------------------------------------------------------------------------
    @cached_property
    def train_set(self) -> Any:
        """Whole training images with labels."""
        return build_image_dataset(self.cfg.train_dataloader.dataset)

    @cached_property
    def splits(self) -> list[Split]:
        """The images of ``val_dataloader`` and, if they are others, of ``test_dataloader``, each
        split by the name of its list."""
        splits = []
        for key in ('val_dataloader', 'test_dataloader'):
            if self.cfg.get(key):
                split = Split(self.cfg[key].dataset)
                if all(split.images != other.images for other in splits):
                    splits.append(split)
        names = [split.name for split in splits]
        for i, split in enumerate(splits):
            if names.count(split.name) > 1:
                split.name = f'{split.name}_{i}'
        return splits

    @property
    def scored(self) -> list[Split]:
        """The splits with ground truth."""
        return [split for split in self.splits if split.has_ground_truth]

    @cached_property
    def images(self) -> ImageUnion:
        """All images, of which CAMs and masks are made: training and splits, each once."""
        return ImageUnion([self.train_set, *(split.dataset for split in self.splits)])

    @property
    def split_images(self) -> ImageUnion:
        """The images of the splits alone, each once."""
        return ImageUnion([split.dataset for split in self.splits])

    def images_of(self, loader: str | None) -> Any:
        """The images of ``'train'``, ``'val'`` or ``'test'``; None: :attr:`images`."""
        if loader is None:
            return self.images if self.cfg.get('train_dataloader') else self.split_images
        if not self.cfg.get(f'{loader}_dataloader'):
            raise ValueError(f'config "{self.file}" has no {loader}_dataloader')
        return build_image_dataset(self.cfg[f'{loader}_dataloader'].dataset)

    @property
    def classes(self) -> tuple:
        return tuple(self.train_set.metainfo['classes'])

    @property
    def palette(self) -> list:
        return self.train_set.metainfo['palette']

    def shown(self, first: Sequence[str] = ()) -> list[dict]:
        """Records (``name``, ``img_path``, ``labels``) of the images of the report: those named,
        then others spread over the last scored split (else over the training images), those of
        several classes first."""
        report = self.block('report')
        count = report.get('images', report.get('pictures', 8))
        dataset = self.scored[-1].dataset if self.scored else self.train_set
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        named = {info['name']: info for info in infos if info['name'] in first}
        chosen = [named[name] for name in first if name in named][:count]
        count -= len(chosen)
        infos = [info for info in infos if info['name'] not in first]
        several = [info for info in infos if len(info['labels']) > 1]
        single = [info for info in infos if len(info['labels']) <= 1]
        chosen += (others := spread(several, count // 2))
        return chosen + spread(single, count - len(others))

    # -- CAMs --------------------------------------------------------------------------------------
    @property
    def cam_options(self) -> dict:
        """How this config makes CAMs."""
        return cam_options(self.cfg)

    def checkpoint(self, stage: str, config: str | None = None) -> Path:
        """The weights that a stage left, or ``tools/train.py`` of the same config: the newest
        checkpoint in ``<work_dir>/pipeline/<stage>``, ``<work_dir>/<stage>``, or, for a
        ``config``, in ``work_dirs/<its name>``.

        Raises:
            FileNotFoundError: There is none; names the places.
        """
        places = [self.work_dir / 'pipeline' / stage, self.work_dir / stage]
        if config is not None:
            places += [Path('work_dirs') / Path(config).stem]
        elif stage == 'classify':
            places += [self.work_dir]
        for place in places:
            if (place / 'last_checkpoint').is_file():
                return last_checkpoint(place)
        raise FileNotFoundError(f'no checkpoint of the stage "{stage}" in '
                                f'{", ".join(map(str, places))}; name one')

    @property
    def fixed_threshold(self) -> float | None:
        """The one threshold at which the config's ``val_evaluator`` scores seeds, if any."""
        evaluators = self.cfg.get('val_evaluator') or []
        evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
        return next((x['fixed'] for x in evaluators if x.get('fixed') is not None), None)

    # -- masks -------------------------------------------------------------------------------------
    @property
    def mask_options(self) -> dict:
        """The refiner of the masks."""
        options = dict(self.options.get('mask') or DEFAULT_MASK)
        if 'type' not in options:
            raise ValueError("pipeline.mask needs a refiner, e.g. type='PARMask'")
        return options

    def check_background(self) -> None:
        """Raises:
            ValueError: ``pipeline.mask.bg`` is neither a number nor a known rule; or it or the
                affinity labels take the network's own background, and its head has none.
        """
        bg = self.mask_options.get('bg')
        known = ('oracle', 'oracle_seed', 'held_out', 'auto', 'own')
        if isinstance(bg, str) and bg not in known and _rule(bg) not in (*RULES, 'crf'):
            raise ValueError(f'pipeline.mask.bg={bg!r} must be a number, "oracle" or "held_out" '
                             '(best on ground truth; "oracle_seed": before refinement), "auto" or '
                             '"auto:<rule>" (without ground truth; rules: '
                             f'{[*RULES, "crf"]}), or "own"')
        labels = self.block('affinity').get('labels') or {}
        head = ((self.cfg.get('model') or {}).get('head') or {}).get('type')
        if 'own' in (bg, labels.get('bg')) and isinstance(head, str) and not hasattr(
                MODELS.get(head), 'own_background'):
            raise ValueError('bg="own" needs a head that scores the background, like SIPEHead; '
                             f'{head} does not, so give numbers (pipeline.mask.bg, '
                             'pipeline.affinity.labels)')

    def threshold(self, bg: Any, cam_dir: Path,
                  scores: Mapping[str, dict] | None = None) -> tuple[Any, str]:
        """The background of the seeds, and how it was chosen.

        Args:
            bg: A number; ``'oracle'``, ``'oracle_seed'`` or ``'held_out'``: as the scores of the
                first split with ground truth choose it, without ground truth as ``'auto'``;
                ``'auto'`` or ``'auto:<rule>'``: :func:`choose_threshold`; ``'own'`` or None stay.
            cam_dir: Folder of the CAM files.
            scores: Scores of the seeds by split, if they are known.
        """
        if not isinstance(bg, str) or bg == 'own':
            return bg, ''
        if bg in ('oracle', 'oracle_seed', 'held_out'):
            if self.scored:
                split, key = self.scored[0], bg.removesuffix('_seed')
                found = (scores or {}).get(split.name) or score_cams(split, cam_dir)
                return found[f'threshold@{key}'], f'{key} of {split.name}'
            print_log(f'no ground truth for bg={bg!r}: chosen without it', logger='current')
            bg = 'auto'
        rule = _rule(bg) or DEFAULT_RULE
        return self.auto_threshold(cam_dir, rule), f'auto: {rule}, without ground truth'

    def auto_threshold(self, cam_dir: Path, rule: str = DEFAULT_RULE) -> float:
        """The threshold that a rule chooses on the CAMs of the training images."""
        infos = [self.train_set.get_data_info(i) for i in range(len(self.train_set))]
        images = {info['name']: info['img_path'] for info in infos}
        value = choose_threshold(cam_dir, list(images), rule, images)
        print_log(f'background threshold {value:g} (rule "{rule}", without ground truth)',
                  logger='current')
        return value

    def refiner(self, options: dict, bg: Any, checkpoint: str | Path | None = None) -> dict:
        """Config of the refiner, to build.

        Args:
            options: :attr:`mask_options`, or others.
            bg: The background threshold, if ``options`` has one.
            checkpoint: Weights of the affinity network.
        """
        options = {key: value for key, value in options.items() if key != 'num_workers'}
        if 'bg' in options:
            options['bg'] = bg
        known = constructor_options(MODELS.get(options['type']) or object)
        if self.options.get('affinity') and 'model' in known:
            options.setdefault('model', plain(self.affinity_config().model))
            options.setdefault('checkpoint', None if checkpoint is None else str(checkpoint))
            if self.device is not None:
                options.setdefault('device', self.device)
        return options

    def affinity_config(self, labels: str | Path = 'labels') -> Config:
        """Config of the affinity network, told where its labels are; by default the name of the
        stage that makes them, which names no place."""
        affinity = self.block('affinity')
        cfg = self.training_config(self.find(affinity['config']), affinity.get('cfg_options'))
        set_prior_dir(cfg.train_dataloader, str(labels))
        return cfg


def _rule(bg: str) -> str:
    """The rule of ``'auto:<rule>'``; empty for ``'auto'``."""
    return bg.split(':', 1)[1] if bg.startswith('auto:') else ''
