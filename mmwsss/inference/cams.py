"""CAM files of a data set: ``<name>.npz`` and ``manifest.jsonl``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather_object, get_dist_info, is_main_process
from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmwsss.datasets.mask_ids import mask_ids_of
from mmwsss.datasets.splits import Split
from mmwsss.evaluation import SeedMetric
from mmwsss.models.refiners import with_background
from mmwsss.models.utils.cam import resize_cam
from mmwsss.models.utils.folding import prepared_convolutions
from mmwsss.models.utils.multi_scale import MAX_SIDE, limited_size, multi_scale_cam, rescale
from mmwsss.structures.artifacts import CAMFile, cam_record, load_cam, save_cam, write_manifest
from mmwsss.utils.images import image_size
from mmwsss.utils.model_wrapper import unwrap_model
from mmwsss.utils.progress import track

from .failures import raise_if_failed, write_failed
from .manifests import known_records

# stride='auto' keeps CAMs at full size up to here: VOC's 12,031 images take about 7 GB.
AUTO_STRIDE_IMAGES = 20_000


class _Batches:
    """Indices in batches of images of one size (read from the headers), in the list's order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int], batch_size: int):
        open_batches: dict[tuple, list] = {}
        self.batches = []
        for index in indices:
            size = _size(dataset.get_data_info(index)['img_path']) if batch_size > 1 else ()
            batch = open_batches.setdefault(size, [])
            batch.append(index)
            if len(batch) == batch_size:
                self.batches.append(open_batches.pop(size))
        self.batches += open_batches.values()

    def __iter__(self):
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def auto_stride(count: int) -> int:
    """The stride at which the CAMs of ``count`` images take a bearable space."""
    return 1 if count <= AUTO_STRIDE_IMAGES else 4


def file_stride(stride: int | str, count: int) -> int:
    """The stride at which the CAMs of ``count`` images are kept.

    Raises:
        ValueError: ``stride`` is neither ``'auto'`` nor an integer of at least 1.
    """
    if stride == 'auto':
        stride = auto_stride(count)
        if stride > 1:
            print_log(f'CAM files of {count} images are kept at stride {stride} (1/{stride ** 2} '
                      'of the disk space); stride=1 keeps them at full size', 'current')
    if not isinstance(stride, int) or stride < 1:
        raise ValueError(f"stride={stride!r} must be an integer of at least 1, or 'auto'")
    return stride


def _size(path: str) -> tuple[int, ...]:
    try:
        return image_size(path)
    except (OSError, ValueError):  # fails when it is read
        return ()


class _Images(Dataset):
    """The images of a data set; in place of one that cannot be read stand its name and why."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> dict:
        try:
            return self.dataset[index]
        except Exception as error:
            return dict(name=self.dataset.get_data_info(index)['name'],
                        failed=f'{type(error).__name__}: {error}')


def _collate(samples: list[dict]) -> tuple[dict | None, dict[str, str]]:
    """The batch of the images that could be read, and why the others could not."""
    good = [sample for sample in samples if 'failed' not in sample]
    failed = {sample['name']: sample['failed'] for sample in samples if 'failed' in sample}
    return pseudo_collate(good) if good else None, failed


def generate_cams(model: nn.Module,
                  dataset: Dataset,
                  out_dir: str | Path,
                  stride: int | str = 1,
                  batch_size: int = 1,
                  num_workers: int = 2,
                  overwrite: bool = False,
                  **options: Any) -> list[dict]:
    """Write the multi-scale CAM of each image as ``<out_dir>/<name>.npz``.

    A file holds ``cam`` float16 ``(K, h, w)`` in [0, 1] of the classes of the image's label,
    ``keys`` int ``(K,)`` their indices ``0..C-1``, and ``size`` the image's height and width.
    Files that are there are kept, so an interrupted run resumes; ranks share the work. An image
    that cannot be read does not stop the others: it is listed in ``<out_dir>/failed.json``, and the
    next call does just those again.

    Args:
        model: Has ``predict_cam`` and ``data_preprocessor``, e.g. :class:`WSSSClassifier`.
        dataset: Whole images with labels (:func:`build_image_dataset`).
        out_dir: Folder.
        stride: The CAM is kept at ``ceil(size / stride)``; ``'auto'``: at full size up to
            ``AUTO_STRIDE_IMAGES`` images, at stride 4 beyond (COCO would take 200 GB).
        batch_size: Images of equal size that go through the network together.
        num_workers: Processes that read images.
        overwrite: Make all files again.
        options: ``scales``, ``flip``, ``relu``, ``norm``, ``max_side``, see
            :func:`multi_scale_cam`; a config's are :func:`~mmwsss.inference.cam_options`. The CAM
            of an image larger than ``max_side`` is kept at that size over ``stride``.

    Returns:
        The manifest, which is also written to ``<out_dir>/manifest.jsonl``: one record
        ``name, classes, size, sha256`` per image.

    Raises:
        ValueError: An image has no label, or ``stride`` is below 1.
        RuntimeError: Images could not be read; all others are done.
    """
    stride = file_stride(stride, len(dataset))
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    model = unwrap_model(model)
    names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
    rank, world_size = get_dist_info()
    # Shared out before looking at what is there, which another rank may already be changing.
    todo = [i for i in range(rank, len(names), world_size)
            if overwrite or not (out_dir / f'{names[i]}.npz').is_file()]
    kept = len(range(rank, len(names), world_size)) - len(todo)
    if kept:
        print_log(f'{kept} CAM files are there and kept', 'current')
    batches = _Batches(dataset, todo, batch_size)
    loader = DataLoader(
        _Images(dataset), batch_sampler=batches, num_workers=num_workers if todo else 0,
        collate_fn=_collate)
    made: dict[str, dict] = {}
    failed: dict[str, str] = {}
    training = model.training
    model.eval()
    try:
        with prepared_convolutions(model):
            for data, errors in track(loader, 'CAMs', len(todo), steps=map(len, batches)):
                for name, error in errors.items():
                    print_log(f'CAM of "{name}" failed: {error}', 'current', level=40)
                failed.update(errors)
                if data is not None:
                    made.update(_write_batch(model, data, out_dir, stride, options))
    finally:
        model.train(training)
    for part, errors in all_gather_object((made, failed)):
        made.update(part)
        failed.update(errors)
    if is_main_process():
        write_failed(out_dir, failed)
    raise_if_failed(out_dir, failed)
    if not is_main_process():
        return []
    known = {**known_records(out_dir, '.npz'), **made}
    unknown = [name for name in names if name not in known]  # of a call that was cut off
    for name in track(unknown, 'records of CAMs') if unknown else ():
        known[name] = cam_record(out_dir, name)
    return write_manifest(out_dir, [known[name] for name in names])


@torch.no_grad()
def _write_batch(model: nn.Module, data: dict, out_dir: Path, stride: int,
                 options: dict) -> dict[str, dict]:
    """Write the CAMs of a batch; their lines of the manifest by name."""
    for sample in data['data_samples']['image']:
        if 'gt_label' not in sample:
            raise ValueError(f'image "{sample.name}" has no image label, and CAMs are made of '
                             'its classes; give the data set a label_file')
    data = model.data_preprocessor(data, False)
    samples = data['data_samples']['image']
    images = data.pop('inputs')['image']  # a large one is given back at once
    images = rescale(images, limited_size(images.shape[-2:], options.get('max_side', MAX_SIDE)))
    labels = torch.stack([sample.gt_label for sample in samples]).to(images)
    size = [-(-side // stride) for side in images.shape[-2:]]
    cams, backgrounds = multi_scale_cam(
        model, images, labels, size=size, background=True, **options)
    for i, (sample, cam) in enumerate(zip(samples, cams)):
        background = None if backgrounds is None else backgrounds[i, 0].half().cpu().numpy()
        keys = sample.gt_label.nonzero()[:, 0]
        save_cam(out_dir / f'{sample.name}.npz', cam[keys.to(cam.device)].half().cpu().numpy(),
                 keys.cpu().numpy(), sample.ori_shape[:2], background)
    return {sample.name: cam_record(out_dir, sample.name) for sample in samples}


def score_cams(dataset: Any, cam_dir: str | Path, **options: Any) -> dict[str, float]:
    """Score the CAM files of images with ground truth.

    Args:
        dataset: A :class:`Split`, or a data set (:func:`build_image_dataset`).
        cam_dir: Folder of the CAM files.
        options: Of :class:`SeedMetric`.

    Returns:
        The metrics of :class:`SeedMetric`, ``mIoU@own`` among them if the files hold the network's
        own background.
    """
    split = dataset if isinstance(dataset, Split) else Split(dataset)
    metric = SeedMetric(**{'num_classes': split.num_classes, **options})
    metric.dataset_meta = dict(classes=split.classes)
    for name in split.names:
        cam, keys, _, background = load_cam(Path(cam_dir) / f'{name}.npz', split.num_classes)
        gt = split.ground_truth(name)
        if background is not None:
            background = resize_cam(background[None], gt.shape)[0]
        metric.process(None, [dict(
            name=name, cam=resize_cam(cam, gt.shape), keys=keys, gt_sem_seg=gt,
            pred_background=background)])
    return metric.compute_metrics(metric.results)


def seed_mask(file: CAMFile, threshold: float | None = None) -> np.ndarray:
    """The seed of an image as uint8 ``(H, W)``: 0 background, ``1..C``.

    Args:
        file: The image's CAMs.
        threshold: Background score; not used where the network has its own.
    """
    cam, keys, size, background = file
    cam = resize_cam(cam, tuple(size)).numpy()
    if background is not None:
        threshold = resize_cam(np.asarray(background)[None], tuple(size))[0].numpy()
    return mask_ids_of(keys)[with_background(cam, threshold).argmax(0)]
