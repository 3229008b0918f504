"""From CAM files to pseudo masks: the refiners by name, and the stage that applies them."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dist import all_gather_object, barrier, get_dist_info, is_main_process
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.datasets.transforms import LoadImage
from mmwsss.evaluation import load_cam, resize_cam
from mmwsss.inference.cams import read_config
from mmwsss.models.refiners import (
    combine_confident,
    make_crf,
    propagate_irn,
    propagate_psa,
)
from mmwsss.registry import MODELS
from mmwsss.utils import atomic_write
from mmwsss.utils.checkpoint import load_pretrained
from mmwsss.utils.masks import read_mask, write_mask
from mmwsss.utils.parallel import ordered_map
from mmwsss.utils.progress import track

PathLike = Union[str, Path]
IGNORE = 255


# -- small operations ------------------------------------------------------------------------------
def with_background(cam: np.ndarray,
                    bg: Optional[float] = None,
                    alpha: Optional[float] = None) -> np.ndarray:
    """Put a background score before a CAM.

    Args:
        cam: ``(K, H, W)`` in [0, 1].
        bg: A constant, or
        alpha: ``(1 - max_c cam)^alpha``; a larger one gives less background.

    Returns:
        ``(K + 1, H, W)`` float32.
    """
    cam = np.asarray(cam, np.float32)
    if alpha is None:
        score = np.full(cam.shape[1:], bg, np.float32)
    else:
        score = np.clip(1 - cam.max(0), 0, 1)**np.float32(alpha)
    return np.concatenate([score[None], cam])


def reliable_pixels(scores: np.ndarray, keep: float = 0.5) -> np.ndarray:
    """Pixels to trust, as BECO chooses them: of each predicted class the part ``keep`` with the
    largest margin between the best and the second-best score.

    Args:
        scores: ``(K, H, W)``, at least two.
        keep: In (0, 1].

    Returns:
        Boolean ``(H, W)``.
    """
    second, best = np.partition(scores, -2, axis=0)[-2:]
    margin, label = best - second, scores.argmax(0)
    sure = np.zeros(label.shape, bool)
    for name in np.unique(label):
        here = label == name
        sure |= here & (margin >= np.quantile(margin[here], 1 - keep))
    return sure


# -- refiners --------------------------------------------------------------------------------------
class MaskRefiner:
    """From one image's CAM to its mask.

    Args:
        bg: Constant background score, or
        alpha: exponent of ``(1 - max CAM)^alpha``; give one of the two.
        crf: A CRF on the refined scores (see :func:`make_crf`), e.g. ``'psa_rw'``.
        keep: Only the most reliable part of each class (BECO: 0.5, see :func:`reliable_pixels`);
            the other pixels become 255.

    Raises:
        ValueError: Not exactly one of ``bg`` and ``alpha``.
    """

    suffix = '.png'
    device = torch.device('cpu')

    def __init__(self,
                 bg: Optional[float] = None,
                 alpha: Optional[float] = None,
                 crf: Union[None, str, dict] = None,
                 keep: Optional[float] = None):
        if (bg is None) == (alpha is None):
            raise ValueError(f'{type(self).__name__}: give either bg (a constant background score) '
                             'or alpha (of (1 - max CAM)^alpha)')
        if keep is not None and not 0 < keep <= 1:
            raise ValueError(f'{type(self).__name__}: keep={keep} must be in (0, 1]')
        self.bg = bg
        self.alpha = alpha
        self.crf = make_crf(crf)
        self.keep = keep

    def scores(self, image: np.ndarray, cam: np.ndarray) -> np.ndarray:
        """Refined scores ``(K + 1, H, W)``, background first."""
        return with_background(cam, self.bg, self.alpha)

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int]) -> Any:
        """
        Args:
            image: Image uint8 BGR ``(H, W, 3)``.
            cam: CAM in [0, 1] of the classes present, ``(K, h, w)``; resized to the image.
            keys: Their indices ``0..C-1``.

        Returns:
            Mask uint8 ``(H, W)``: 0 background, ``1..C``, 255 not reliable.
        """
        if len(keys) == 0:
            return np.zeros(image.shape[:2], np.uint8)
        scores = self.scores(image, resize_cam(cam, image.shape[:2]).numpy())
        if self.crf is not None:
            scores = self.crf(image, scores)
        mask = _names(keys)[scores.argmax(0)]
        if self.keep is not None:
            mask[~reliable_pixels(scores, self.keep)] = IGNORE
        return mask

    def save(self, path: PathLike, result: Any, palette: Sequence = ()) -> None:
        """Write what :meth:`__call__` returned, whole or not at all."""
        write_mask(path, result, palette)


def _names(keys: Sequence[int]) -> np.ndarray:
    """Mask ids of the background and the classes."""
    return np.concatenate([[0], np.asarray(keys, np.int64) + 1]).astype(np.uint8)


@MODELS.register_module()
class ThresholdMask(MaskRefiner):
    """The seed itself: argmax of background and CAM."""


@MODELS.register_module()
class PARMask(MaskRefiner):
    """Pixel-adaptive refinement of the softmax of background and CAM, at reduced size.

    Args:
        refiner: Config of :class:`PAR` or :class:`PAMR`.
        down_scale: Refine at this fraction of the image's size (AFA, KTSE: 2).
        bg, alpha, crf, keep: See :class:`MaskRefiner`.
    """

    def __init__(self, refiner: Optional[dict] = None, down_scale: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.refiner = MODELS.build(refiner or dict(type='PAR'))
        self.down_scale = down_scale

    @torch.no_grad()
    def scores(self, image: np.ndarray, cam: np.ndarray) -> np.ndarray:
        size = image.shape[:2]
        small = tuple(max(side // self.down_scale, 1) for side in size)
        stack = _resize(torch.from_numpy(super().scores(image, cam)), small).softmax(0)
        picture = _resize(_chw(image).float(), small)
        return _resize(self.refiner(picture[None], stack[None])[0], size).numpy()


@MODELS.register_module()
class CRFMask(MaskRefiner):
    """Dense CRF on background and CAM.

    Args:
        preset: Name in ``CRF_PRESETS`` or config of the CRF.
        unary: ``'scores'``: minus the logarithm of the scores (PSA, AEFT); ``'labels'``: the argmax
            is right with probability ``gt_prob`` (IRN, PPC).
        gt_prob: For ``'labels'``.
        bg, alpha, keep: See :class:`MaskRefiner`.
    """

    def __init__(self, preset: Union[str, dict] = 'psa', unary: str = 'scores',
                 gt_prob: float = 0.7, **kwargs):
        super().__init__(**kwargs)
        _check_unary('CRFMask', unary)
        self.first_crf = make_crf(preset)
        self.unary = unary
        self.gt_prob = gt_prob

    def scores(self, image: np.ndarray, cam: np.ndarray) -> np.ndarray:
        return _apply_crf(self, image, super().scores(image, cam))


def _check_unary(name: str, unary: str) -> None:
    if unary not in ('scores', 'labels'):
        raise ValueError(f"{name}: unary={unary!r} must be 'scores' or 'labels'")


def _apply_crf(refiner: MaskRefiner, image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The refiner's CRF on scores or on their argmax, ``(K, H, W)``."""
    if refiner.unary == 'labels':
        return refiner.first_crf.from_labels(
            image, scores.argmax(0), len(scores), refiner.gt_prob)
    return refiner.first_crf(image, scores)


@MODELS.register_module()
class IRLabel(MaskRefiner):
    """The confident labels that IRNet learns from: label CRF at two constant backgrounds.

    Args:
        fg: Background score of the map that finds foreground (0.30).
        bg: Of the map that finds background (IRN 0.05, KTSE 0.10).
        preset: CRF of both.
        gt_prob: Confidence in the labels before the CRF.
    """

    def __init__(self, fg: float = 0.30, bg: float = 0.05, preset: Union[str, dict] = 'irn_label',
                 gt_prob: float = 0.7):
        super().__init__(bg=bg)
        if bg > fg:
            raise ValueError(f'IRLabel: bg={bg} must not exceed fg={fg}')
        self.fg = fg
        self.first_crf = make_crf(preset)
        self.gt_prob = gt_prob

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int]) -> np.ndarray:
        if len(keys) == 0:
            return np.zeros(image.shape[:2], np.uint8)
        cam = resize_cam(cam, image.shape[:2]).numpy()
        maps = []
        for score in (self.fg, self.bg):
            label = with_background(cam, score).argmax(0)
            label = self.first_crf.from_labels(image, label, len(cam) + 1, self.gt_prob).argmax(0)
            maps.append(torch.from_numpy(_names(keys)[label]))
        return combine_confident(*maps).numpy()


@MODELS.register_module()
class AffinityScores(MaskRefiner):
    """What AffinityNet learns from: CRF scores under much and under little background.

    The result is a dict ``scores`` float16 ``(2, K + 1, H, W)`` and ``keys``, written as ``.npz``
    for :class:`LoadAffinityScores`.

    Args:
        low: Small alpha, much background (PSA 4, AEFT 2, MCTformer 1).
        high: Large alpha, little background (PSA 32, AEFT 21, MCTformer 12).
        preset: CRF of both.
        unary, gt_prob: As for :class:`CRFMask`; PPC ``'labels'``.
    """

    suffix = '.npz'

    def __init__(self, low: float = 4, high: float = 32, preset: Union[str, dict] = 'psa',
                 unary: str = 'scores', gt_prob: float = 0.7):
        super().__init__(alpha=low)
        _check_unary('AffinityScores', unary)
        self.unary = unary
        self.gt_prob = gt_prob
        if low > high:
            raise ValueError(f'AffinityScores: low={low} must not exceed high={high}')
        self.high = high
        self.first_crf = make_crf(preset)

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int]) -> dict:
        keys = np.asarray(keys, np.int64)
        cam = resize_cam(cam, image.shape[:2]).numpy()
        if len(keys) == 0:
            scores = [np.ones((1, *image.shape[:2]))] * 2
        else:
            scores = [_apply_crf(self, image, with_background(cam, alpha=alpha))
                      for alpha in (self.alpha, self.high)]
        return dict(scores=np.asarray(scores, np.float16), keys=keys)

    def save(self, path: PathLike, result: dict, palette: Sequence = ()) -> None:
        with atomic_write(path, 'wb') as file:
            np.savez_compressed(file, **result)


class _NetworkMask(MaskRefiner):
    """A refiner with a network.

    Args:
        model: Config of the network.
        checkpoint: Its weights.
        device: Default: a GPU if there is one.
    """

    def __init__(self, model: dict, checkpoint: str, beta: float, log_steps: int, radius: int,
                 device: Optional[str], **kwargs):
        super().__init__(**kwargs)
        if not model or not checkpoint:
            raise ValueError(
                f'{type(self).__name__} needs a trained network: model (its config) and checkpoint '
                '(its weights); in the tool --network and --checkpoint')
        self.checkpoint = checkpoint
        self.model = MODELS.build(model)
        load_pretrained(self.model, checkpoint, ignore=[r'displacement\.'])
        self.device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.model.to(self.device).eval()
        self.beta = beta
        self.log_steps = log_steps
        self.radius = radius

    def normalized(self, image: np.ndarray) -> Tensor:
        """What the network takes, ``(1, 3, H, W)``."""
        data = dict(inputs={'image': [_chw(image)]}, data_samples={})
        return self.model.data_preprocessor(data)['inputs']['image']


@MODELS.register_module()
class PSAMask(_NetworkMask):
    """Random walk of PSA on the features of :class:`AffinityNet`.

    Args:
        model: Config of the AffinityNet.
        checkpoint: Its weights.
        beta: Power of the affinities.
        log_steps: 8 in PSA, 6 in SEAM, AEFT, PPC, MCTformer.
        radius: Of the pairs; it shrinks where a map is too small to have any.
        device: Default: a GPU if there is one.
        alpha, bg: PSA alpha 16, SEAM and PPC 6, AEFT 19; MCTformer a constant, bg 0.39.
        crf, keep: See :class:`MaskRefiner`; AEFT ends with ``crf='psa_rw'``.
    """

    def __init__(self, model: dict, checkpoint: str, beta: float = 8, log_steps: int = 8,
                 radius: int = 5, device: Optional[str] = None, **kwargs):
        super().__init__(model, checkpoint, beta, log_steps, radius, device, **kwargs)

    @torch.no_grad()
    def features(self, image: np.ndarray) -> Tensor:
        """``(D, h, w)`` of the image, padded to a multiple of 8."""
        inputs = self.normalized(image)
        height, width = inputs.shape[-2:]
        return self.model.extract(F.pad(inputs, (0, -width % 8, 0, -height % 8)))[0].float()

    @torch.no_grad()
    def scores(self, image: np.ndarray, cam: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        features = self.features(image)
        stack = torch.from_numpy(super().scores(image, cam)).to(self.device)
        stack, stride = pool_scores(stack, features.shape[-2:])
        walked = propagate_psa(stack, features, fitting_radius(self.radius, features.shape[-2:]),
                               self.beta, self.log_steps)
        size = [side * stride for side in walked.shape[-2:]]
        return _resize(walked, size)[:, :height, :width].cpu().numpy()


def pool_scores(scores: Tensor, size: Sequence[int]) -> tuple[Tensor, int]:
    """Average scores ``(K, H, W)``, padded with zeros, over the cells of a map of ``size``.

    Returns:
        ``(K, h, w)`` and the stride.
    """
    stride = -(-scores.shape[-1] // size[1])
    bottom, right = (side * stride - now for side, now in zip(size, scores.shape[-2:]))
    return F.avg_pool2d(F.pad(scores, (0, right, 0, bottom))[None], stride)[0], stride


def fitting_radius(radius: int, size: Sequence[int]) -> int:
    """The radius, or the largest that leaves PSA a pair in a smaller map."""
    return min(radius, size[0], (size[1] + 1) // 2)


@MODELS.register_module()
class IRNMask(_NetworkMask):
    """Random walk of IRN along the boundaries of :class:`IRNet`.

    Args:
        model: Config of the IRNet; the displacement branch is not used.
        checkpoint: Its weights.
        beta, log_steps, radius: Of the walk.
        power: Exponent of the CAM before the walk (SIPE 1.5).
        device: Default: a GPU if there is one.
        bg: Constant background beside the walked scores, which are divided by their maximum over
            all classes; 0.25 in IRN.
        crf, keep: See :class:`MaskRefiner`; KTSE's segmentation stage uses ``keep=0.5``.
    """

    def __init__(self, model: dict, checkpoint: str, beta: float = 10, log_steps: int = 8,
                 radius: int = 5, power: float = 1., device: Optional[str] = None, **kwargs):
        super().__init__(model, checkpoint, beta, log_steps, radius, device, **kwargs)
        self.power = power
        self.model.displacement = None

    def edge(self, image: np.ndarray) -> Tensor:
        """Class boundary ``(h, w)`` in [0, 1]."""
        return self.model.predict_edge(self.normalized(image))[0].float()

    @torch.no_grad()
    def scores(self, image: np.ndarray, cam: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        edge = self.edge(image)
        stride = -(-width // edge.shape[-1])
        source = _resize(torch.from_numpy(cam).to(self.device), edge.shape)**self.power
        walked = propagate_irn(source, edge, self.radius, self.beta, self.log_steps)
        size = [side * stride for side in edge.shape]
        walked = _resize(walked, size)[:, :height, :width]
        walked /= walked.max().clamp(min=1e-12)
        return super().scores(image, walked.cpu().numpy())


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x[None], tuple(size), mode='bilinear', align_corners=False)[0]


def _chw(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


# Refiners by the name that the tool and the pipeline know them by.
REFINERS = dict(
    none=dict(type='ThresholdMask', bg=0.2),
    par=dict(type='PARMask', bg=0.2),
    crf=dict(type='CRFMask', alpha=8, preset='psa'),
    psa=dict(type='PSAMask', alpha=16),
    irn=dict(type='IRNMask', bg=0.25),
    # Not masks but what the two networks learn from.
    ir_label=dict(type='IRLabel', fg=0.30, bg=0.05),
    affinity=dict(type='AffinityScores', low=4, high=32))


def refiner_config(name: str,
                   options: Optional[dict] = None,
                   network: Union[None, PathLike, Config] = None,
                   checkpoint: Optional[PathLike] = None) -> dict:
    """Config of a refiner by name.

    Args:
        name: Key of ``REFINERS``.
        options: What to change; ``bg`` and ``alpha`` replace each other.
        network: For ``psa`` and ``irn``: config that the network was trained with.
        checkpoint: Its weights.

    Raises:
        ValueError: Unknown name.
    """
    if name not in REFINERS:
        raise ValueError(f'no refiner "{name}"; there are {sorted(REFINERS)}')
    config, options = dict(REFINERS[name]), dict(options or {})
    for key, other in (('bg', 'alpha'), ('alpha', 'bg')):
        if options.get(key) is not None and other not in options:
            config.pop(other, None)
    config.update(options)
    if network is not None:
        config['model'] = read_config(network).model
    if checkpoint is not None:
        config['checkpoint'] = str(checkpoint)
    if name in ('psa', 'irn'):
        config.setdefault('model', None)
        config.setdefault('checkpoint', None)
    return config


# -- the stage -------------------------------------------------------------------------------------
@dataclass
class MaskReport:
    """What :func:`generate_masks` did.

    Attributes:
        made: Number of masks made now (by all ranks).
        skipped: Number that was there.
        failed: Error message by image id.
    """

    made: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class _Job:
    """The work on one image: read image and CAM, refine, write; returns its record."""

    def __init__(self, refiner: MaskRefiner, cam_dir: Path, out_dir: Path, palette: Sequence):
        self.refiner = refiner
        self.cam_dir = cam_dir
        self.out_dir = out_dir
        self.palette = palette
        self.load = LoadImage()

    def __call__(self, record: dict) -> dict:
        name = record['name']
        image = self.load(dict(img_path=record['img_path']))['img']
        cam_path = self.cam_dir / f'{name}.npz'
        cam, keys, size = load_cam(cam_path)
        if size != image.shape[:2]:
            raise ValueError(f'CAM file "{cam_path}" is of an image of {size}, but '
                             f'"{record["img_path"]}" has {image.shape[:2]}; make the CAM again')
        path = self.out_dir / f'{name}{self.refiner.suffix}'
        self.refiner.save(path, self.refiner(image, cam, keys), self.palette)
        return _record(name, path)


def _record(name: str, path: Path) -> dict:
    """The line of the manifest of a file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if path.suffix == '.npz':
        with np.load(path, allow_pickle=False) as file:
            classes, size = file['keys'].tolist(), list(file['scores'].shape[2:])
    else:
        mask = read_mask(path)
        classes = [int(i) - 1 for i in np.unique(mask) if 0 < i < IGNORE]
        size = list(mask.shape)
    return dict(name=name, classes=classes, size=size, sha256=sha256)


def generate_masks(dataset: Any,
                   cam_dir: PathLike,
                   out_dir: PathLike,
                   refiner: Union[dict, MaskRefiner],
                   num_workers: int = 0,
                   palette: Optional[Sequence] = None) -> MaskReport:
    """Refine the CAM of each image and write ``<out_dir>/<name>.png``.

    Ranks share the images. A mask that is there and not older than its CAM is kept, so a run that
    was cut off goes on. An image that fails does not stop the others: it is listed in
    ``<out_dir>/failed.json``, and the next call does just those again. ``manifest.jsonl`` has a
    line ``name, classes, size, sha256`` per mask.

    Args:
        dataset: :class:`ImageLabelDataset`, or a list of ``dict(name=..., img_path=...)``.
        cam_dir: Folder of CAM files ``<name>.npz``.
        out_dir: Folder of the masks.
        refiner: Config of a :class:`MaskRefiner`, or one.
        num_workers: Processes; 0 works in this one, and so does a refiner on a GPU.
        palette: RGB of background and classes; by default that of the data set.

    Returns:
        What was done. It is for the caller to fail if ``report.failed`` is not empty.

    Raises:
        FileNotFoundError: No CAM folder, or no checkpoint of the refiner.
        ValueError: The folder holds masks that other settings made.
        RuntimeError: A worker process was killed.
    """
    cam_dir, out_dir = Path(cam_dir), Path(out_dir)
    if not cam_dir.is_dir():
        raise FileNotFoundError(f'no folder of CAMs "{cam_dir}"; make the CAMs first')
    settings = dict(cam_dir=str(cam_dir.resolve()), refiner=_settings(refiner))
    if not isinstance(refiner, MaskRefiner):
        refiner = MODELS.build(refiner)
    settings['crf'] = [type(crf).__name__ for crf in
                       (getattr(refiner, 'first_crf', None), refiner.crf) if crf is not None]
    _check_settings(out_dir, settings)
    records = _records(dataset)
    if palette is None:
        palette = getattr(dataset, 'metainfo', {}).get('palette', ())
    if num_workers and refiner.device.type != 'cpu':
        print_log(f'{type(refiner).__name__} runs on {refiner.device}: no worker processes',
                  'current')
        num_workers = 0

    rank, world_size = get_dist_info()
    known = _read_manifest(out_dir, refiner.suffix)
    todo = [record for record in records
            if not _is_done(record['name'], cam_dir, out_dir, refiner.suffix)]
    skipped = len(records) - len(todo)
    mine = todo[rank::world_size]
    job = _Job(refiner, cam_dir, out_dir, palette)
    made, failed = {}, {}
    results = ordered_map(job, mine, num_workers)
    for record, line, error in track(results, 'masks', len(mine)):
        if error is None:
            made[record['name']] = line
        else:
            failed[record['name']] = error
            print_log(f'mask of "{record["name"]}" failed: {error}', 'current', level=40)
    for part, errors in all_gather_object((made, failed)):
        made.update(part)
        failed.update(errors)
    if is_main_process():
        known.update(made)
        _write_manifest(out_dir, records, known, refiner.suffix, failed)
        _write_failed(out_dir, failed)
    barrier()
    return MaskReport(len(made), skipped, failed)


def _records(dataset: Any) -> list[dict]:
    if hasattr(dataset, 'get_data_info'):
        dataset = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [dict(name=info['name'], img_path=info['img_path']) for info in dataset]


def _is_done(name: str, cam_dir: Path, out_dir: Path, suffix: str) -> bool:
    try:
        made = os.stat(out_dir / f'{name}{suffix}').st_mtime_ns
        return made >= os.stat(cam_dir / f'{name}.npz').st_mtime_ns
    except FileNotFoundError:
        return False


def _settings(refiner: Union[dict, MaskRefiner]) -> Any:
    """What the masks depend on, as JSON: the config, and the checkpoint's content."""
    if isinstance(refiner, MaskRefiner):
        return repr({key: value for key, value in sorted(vars(refiner).items())
                     if key not in ('model', 'device')})
    settings = {key: value for key, value in refiner.items() if key != 'device'}
    if settings.get('checkpoint'):
        path = Path(settings['checkpoint'])
        if path.is_file():
            settings['checkpoint'] = hashlib.sha256(path.read_bytes()).hexdigest()
    return json.loads(json.dumps(settings, default=repr))


def _check_settings(out_dir: Path, settings: dict) -> None:
    path = out_dir / 'settings.json'
    if path.is_file():
        try:
            before = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f'"{path}" is damaged ({error}); delete the folder') from error
        if before != settings:
            changed = [key for key in settings if before.get(key) != settings[key]]
            raise ValueError(f'"{out_dir}" holds masks that were made with another '
                             f'{" and ".join(changed)}; choose another folder, or delete it')
    barrier()
    if is_main_process() and not path.is_file():
        with atomic_write(path) as file:
            json.dump(settings, file, indent=2)


def _read_manifest(out_dir: Path, suffix: str) -> dict[str, dict]:
    path = out_dir / 'manifest.jsonl'
    if not path.is_file():
        return {}
    stamp = path.stat().st_mtime_ns
    known = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        mask = out_dir / f'{line["name"]}{suffix}'
        # A later run may have been killed before it wrote its manifest.
        if mask.is_file() and mask.stat().st_mtime_ns <= stamp:
            known[line['name']] = line
    return known


def _write_manifest(out_dir: Path, records: list[dict], known: dict, suffix: str,
                    failed: dict) -> None:
    lines = []
    for record in records:
        name = record['name']
        if name not in failed:
            # Not known: made by a run that was killed before its manifest.
            lines.append(known.get(name) or _record(name, out_dir / f'{name}{suffix}'))
    with atomic_write(out_dir / 'manifest.jsonl') as file:
        file.writelines(json.dumps(line) + '\n' for line in lines)


def _write_failed(out_dir: Path, failed: dict[str, str]) -> None:
    path = out_dir / 'failed.json'
    if failed:
        with atomic_write(path) as file:
            json.dump(failed, file, indent=2)
    elif path.is_file():
        path.unlink()
