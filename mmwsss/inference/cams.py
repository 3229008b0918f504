"""CAM files of a data set: ``<name>.npz`` and ``manifest.jsonl``."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import barrier, get_dist_info, is_main_process
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmwsss.evaluation import SeedMetric, load_cam, resize_cam
from mmwsss.registry import DATASETS, MODELS
from mmwsss.utils import atomic_write, load_checkpoint_safely, register_all_modules
from mmwsss.utils.checkpoint import state_dict_of
from mmwsss.utils.images import image_size
from mmwsss.utils.masks import read_mask
from mmwsss.utils.model import unwrap_model
from mmwsss.utils.progress import track

from .multi_scale import multi_scale_cam

CAM_PIPELINE = [dict(type='LoadImage'), dict(type='PackWSSSInputs')]


def load_model(config: Union[str, Path, Config],
               checkpoint: Optional[Union[str, Path]] = None,
               device: Union[str, torch.device, None] = None) -> nn.Module:
    """Build the model of a config for inference.

    Args:
        config: Config, or its file.
        checkpoint: Weights; every key must fit. None leaves the model as it is built.
        device: Default: a GPU if there is one.

    Returns:
        The model in eval mode.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The weights are of another model; names the keys.
    """
    cfg = read_config(config)
    model = MODELS.build(cfg.model)
    if checkpoint is not None:
        state = state_dict_of(load_checkpoint_safely(checkpoint), checkpoint)
        missing, unexpected = model.load_state_dict(state, strict=False)
        if missing or unexpected:
            raise ValueError(
                f'checkpoint "{checkpoint}" does not fit the model of the config: missing '
                f'{missing[:5]}, not known {unexpected[:5]}; take the config it was trained with')
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return model.to(device).eval()


def read_config(config: Union[str, Path, Config]) -> Config:
    """Read a config and register all of mmwsss, the default scope from here on.

    Raises:
        FileNotFoundError: There is no such file.
    """
    register_all_modules()
    if isinstance(config, Config):
        return config
    if not Path(config).is_file():
        raise FileNotFoundError(f'no config "{config}"')
    return Config.fromfile(config)


def inner_dataset(cfg: dict) -> dict:
    """The config of the :class:`ImageLabelDataset` inside wrappers (PairedDataset, ...)."""
    while isinstance(cfg.get('dataset'), dict):
        cfg = cfg['dataset']
    return cfg


def build_cam_dataset(cfg: dict, masks: bool = False) -> Dataset:
    """Build a data set of whole images from that of a training or validation loader.

    Args:
        cfg: Config of a data set, possibly wrapped.
        masks: Also check that every image has a ground-truth mask.

    Raises:
        FileNotFoundError, ValueError: See :class:`ImageLabelDataset`.
    """
    pipeline = list(CAM_PIPELINE)
    if masks:
        pipeline.insert(1, dict(type='LoadMask'))
    dataset = DATASETS.build({**inner_dataset(cfg), 'pipeline': pipeline})
    dataset.full_init()
    return dataset


def save_cam(path: Union[str, Path], cam: np.ndarray, keys: np.ndarray,
             size: Sequence[int]) -> None:
    """Write one CAM file, whole or not at all.

    Args:
        path: ``<name>.npz``.
        cam: ``(K, h, w)`` in [0, 1]; kept as float16.
        keys: The ``K`` classes, ``0..C-1``.
        size: Height and width of the image.
    """
    with atomic_write(path, 'wb') as file:
        np.savez(file, cam=np.asarray(cam, np.float16), keys=np.asarray(keys, np.int64),
                 size=np.asarray(size, np.int64))


class _Batches:
    """Indices in batches of images of one size (read from the headers), in the list's order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int], batch_size: int):
        open_batches: dict[tuple, list] = {}
        self.batches = []
        for index in indices:
            size = image_size(dataset.get_data_info(index)['img_path']) if batch_size > 1 else ()
            batch = open_batches.setdefault(size, [])
            batch.append(index)
            if len(batch) == batch_size:
                self.batches.append(open_batches.pop(size))
        self.batches += open_batches.values()

    def __iter__(self):
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def generate_cams(model: nn.Module,
                  dataset: Dataset,
                  out_dir: Union[str, Path],
                  scales: Sequence[float] = (0.5, 1., 1.5, 2.),
                  flip: bool = True,
                  stride: int = 1,
                  relu: str = 'each',
                  norm: str = 'max',
                  batch_size: int = 1,
                  num_workers: int = 2,
                  overwrite: bool = False) -> list[dict]:
    """Write the multi-scale CAM of each image as ``<out_dir>/<name>.npz``.

    A file holds ``cam`` float16 ``(K, h, w)`` in [0, 1] of the classes of the image's label,
    ``keys`` int ``(K,)`` their indices ``0..C-1``, and ``size`` the image's height and width.
    Files that are there are kept, so a run that was cut off goes on; ranks share the work.

    Args:
        model: Has ``predict_cam`` and ``data_preprocessor``, e.g. :class:`WSSSClassifier`.
        dataset: Whole images with labels (:func:`build_cam_dataset`).
        out_dir: Folder.
        scales, flip, relu, norm: See :func:`multi_scale_cam`.
        stride: The CAM is kept at ``ceil(size / stride)``.
        batch_size: Images of equal size that go through the network together.
        num_workers: Processes that read images.
        overwrite: Make all files again.

    Returns:
        The manifest, which is also written to ``<out_dir>/manifest.jsonl``: one record
        ``name, classes, size, sha256`` per image.

    Raises:
        ValueError: An image has no label, or ``stride`` is below 1.
    """
    if stride < 1:
        raise ValueError(f'stride={stride} must be at least 1')
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    model = unwrap_model(model)
    names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
    rank, world_size = get_dist_info()
    # Shared out before looking at what is there, which another rank may already be changing.
    todo = [i for i in range(rank, len(names), world_size)
            if overwrite or not (out_dir / f'{names[i]}.npz').is_file()]
    batches = _Batches(dataset, todo, batch_size)
    loader = DataLoader(
        dataset, batch_sampler=batches, num_workers=num_workers if todo else 0,
        collate_fn=pseudo_collate)
    training = model.training
    model.eval()
    try:
        for data in track(loader, 'CAMs', len(todo), steps=map(len, batches)):
            _write_batch(model, data, out_dir, stride, dict(
                scales=scales, flip=flip, relu=relu, norm=norm))
    finally:
        model.train(training)
    barrier()
    return write_manifest(out_dir, names)


@torch.no_grad()
def _write_batch(model: nn.Module, data: dict, out_dir: Path, stride: int, options: dict) -> None:
    for sample in data['data_samples']['image']:
        if 'gt_label' not in sample:
            raise ValueError(f'image "{sample.name}" has no image label, and CAMs are made of '
                             'its classes; give the data set a label_file')
    data = model.data_preprocessor(data, False)
    images, samples = data['inputs']['image'], data['data_samples']['image']
    labels = torch.stack([sample.gt_label for sample in samples]).to(images)
    size = [-(-side // stride) for side in images.shape[-2:]]
    cams = multi_scale_cam(model, images, labels, size=size, **options)
    cams = cams.half().cpu().numpy()
    for sample, cam in zip(samples, cams):
        keys = np.flatnonzero(sample.gt_label.cpu().numpy())
        save_cam(out_dir / f'{sample.name}.npz', cam[keys], keys, sample.ori_shape[:2])


def write_manifest(out_dir: Union[str, Path], names: Sequence[str]) -> list[dict]:
    """Check that the CAM file of every name is there and write ``manifest.jsonl`` (main process).

    Raises:
        ValueError: A file is damaged; names it.
    """
    if not is_main_process():
        return []
    records = []
    for name in names:
        path = Path(out_dir) / f'{name}.npz'
        try:
            data = path.read_bytes()
            with np.load(path, allow_pickle=False) as file:
                record = dict(name=name, classes=file['keys'].tolist(), size=file['size'].tolist())
        except Exception as error:
                raise ValueError(
                f'CAM file "{path}" is damaged ({error}); delete it and run again') from error
        records.append(dict(record, sha256=hashlib.sha256(data).hexdigest()))
    with atomic_write(Path(out_dir) / 'manifest.jsonl') as file:
        file.writelines(json.dumps(record) + '\n' for record in records)
    return records


def exact_mask(info: dict) -> np.ndarray:
    """Ground truth ``(H, W)`` of a record of :class:`ImageLabelDataset`: 0, ``1..C`` and 255."""
    # An id out of range is -1 in the table and becomes 255.
    return info['mask_lut'].astype(np.uint8)[read_mask(info['seg_map_path'])]


def score_cams(dataset: Dataset, cam_dir: Union[str, Path], **options) -> dict[str, float]:
    """Score the CAM files of a data set with ground truth.

    Args:
        dataset: See :func:`build_cam_dataset`.
        cam_dir: Folder of the CAM files.
        options: Of :class:`SeedMetric`.

    Returns:
        The metrics of :class:`SeedMetric`.
    """
    classes = dataset.metainfo['classes']
    metric = SeedMetric(**{'num_classes': len(classes), **options})
    metric.dataset_meta = dict(classes=classes)
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        cam, keys, _ = load_cam(Path(cam_dir) / f'{info["name"]}.npz')
        gt = exact_mask(info)
        metric.process(None, [dict(
            name=info['name'], cam=resize_cam(cam, gt.shape), keys=keys, gt_sem_seg=gt)])
    return metric.compute_metrics(metric.results)


def seed_mask(cam: np.ndarray, keys: np.ndarray, size: Sequence[int],
              threshold: float) -> np.ndarray:
    """The seed of one CAM file as uint8 ``(H, W)``: 0 background, ``1..C``."""
    cam = resize_cam(cam, tuple(size)).numpy()
    stack = np.concatenate([np.full((1, *size), threshold, np.float32), cam])
    return np.concatenate([[0], np.asarray(keys) + 1]).astype(np.uint8)[stack.argmax(0)]
