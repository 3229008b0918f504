"""Masks of a data set from its CAM files: ``<name>.png`` and ``manifest.jsonl``."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, barrier, get_dist_info, is_main_process
from mmengine.logging import print_log

from mmwsss.datasets.transforms import LoadImage
from mmwsss.models.refiners import AFFINITY_LABELS, REFINERS, CAMRefiner, MaskRefiner
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import (
    load_cam,
    mask_record,
    write_class_names,
    write_manifest,
)
from mmwsss.utils.io import file_digest
from mmwsss.utils.parallel import ordered_map
from mmwsss.utils.progress import track

from .failures import raise_if_failed, write_failed
from .manifests import known_records
from .mask_shares import describe, mask_shares, warnings
from .model import read_config
from .settings import check_settings

WHOLE = 'whole'  # folder of the masks before keep


def refiner_config(name: str | None = None,
                   options: dict | None = None,
                   network: None | str | Path | Config = None,
                   checkpoint: None | str | Path = None,
                   changed: Mapping | None = None) -> dict:
    """Config of a refiner by the name of a preset, or by its registered type.

    Args:
        name: Key of ``REFINERS`` or ``AFFINITY_LABELS``; None: ``options`` has the ``type``.
        options: What to change; ``bg`` and ``alpha`` replace each other.
        network: For a refiner with a network: config that it was trained with.
        checkpoint: Its weights.
        changed: ``refiners`` of a config: changes of presets by their names.

    Raises:
        ValueError: Unknown name, or neither name nor type.
    """
    presets, options = {**REFINERS, **AFFINITY_LABELS}, dict(options or {})
    if name is None and 'type' not in options:
        raise ValueError(f'a refiner needs a name of {sorted(presets)}, or type=...')
    if name is not None and name not in presets:
        raise ValueError(f'no refiner "{name}"; there are {sorted(presets)}, and any registered '
                         'one by type=...')
    config = replace_background(presets[name], (changed or {}).get(name, {})) if name else {}
    config = replace_background(config, options)
    if network is not None:
        config['model'] = read_config(network).model
    if checkpoint is not None:
        config['checkpoint'] = str(checkpoint)
    return config


def replace_background(config: Mapping, options: Mapping) -> dict:
    """A refiner's config with other options; a new ``bg`` takes the place of ``alpha`` and vice
    versa."""
    config = dict(config)
    for key, other in (('bg', 'alpha'), ('alpha', 'bg')):
        if options.get(key) is not None and other not in options:
            config.pop(other, None)
    return {**config, **options}


@dataclass
class MaskReport:
    """What :func:`generate_masks` did.

    Attributes:
        made: Number of masks made now (by all ranks).
        skipped: Number that was there.
        failed: Error message by image id.
        shares: Of all masks, see :func:`~mmwsss.inference.mask_shares.mask_shares`; empty where
            other files were made, as labels of affinity networks.
    """

    made: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def raise_if_failed(self, folder: Path) -> None:
        """Raises:
            RuntimeError: An image failed; names one and the file that lists all.
        """
        raise_if_failed(folder, self.failed)


def scored_folder(folder: str | Path, keep: float | None) -> Path:
    """Where the masks are that scores are of: what ``keep`` leaves out would count as misses.

    Args:
        folder: Of the masks.
        keep: Of the refiner that made them.
    """
    return Path(folder) if keep is None else Path(folder) / WHOLE


def device_of(refiner: CAMRefiner) -> torch.device:
    """Where a refiner computes: a GPU if it or one of its CRFs does, which forked processes cannot
    share."""
    devices = [torch.device(part.device) for part in (refiner, *refiner.crfs)]
    return next((device for device in devices if device.type != 'cpu'), devices[0])


class _Job:
    """The work on one image: read image and CAM, refine, write; returns its record."""

    def __init__(self, refiner: CAMRefiner, cam_dir: Path, out_dir: Path, palette: Sequence,
                 classes: Sequence[str]):
        self.refiner = refiner
        self.cam_dir = cam_dir
        self.out_dir = out_dir
        self.palette = palette
        self.names = ('background', *classes) if classes else ()
        self.num_classes = len(classes) or None
        self.load = LoadImage()

    def files(self, name: str) -> list[Path]:
        """What is made of an image: its mask, and with ``keep`` the whole mask before it."""
        folders = self.out_dir, scored_folder(self.out_dir, self.refiner.keep)
        return [folder / f'{name}{self.refiner.suffix}' for folder in dict.fromkeys(folders)]

    def is_done(self, name: str) -> bool:
        """Whether its files are there and not older than its CAM."""
        try:
            made = min(os.stat(path).st_mtime_ns for path in self.files(name))
            return made >= os.stat(self.cam_dir / f'{name}.npz').st_mtime_ns
        except FileNotFoundError:
            return False

    def __call__(self, record: dict) -> dict:
        name = record['name']
        image = self.load(dict(img_path=record['img_path']))['img']
        cam_path = self.cam_dir / f'{name}.npz'
        cam, keys, size, background = load_cam(cam_path, self.num_classes)
        if size != image.shape[:2]:
            raise ValueError(f'CAM file "{cam_path}" is of an image of {size}, but '
                             f'"{record["img_path"]}" has {image.shape[:2]}; make the CAM again')
        path, *of_whole = self.files(name)
        if of_whole:
            whole, result = self.refiner.whole_and_kept(image, cam, keys, background)
            self.refiner.save(*of_whole, whole, self.palette, self.names)
        else:
            result = self.refiner(image, cam, keys, background)
        self.refiner.save(path, result, self.palette, self.names)
        return mask_record(path, name)


def generate_masks(dataset: Any,
                   cam_dir: str | Path,
                   out_dir: str | Path,
                   refiner: Any,
                   num_workers: int = 0,
                   palette: Sequence | None = None) -> MaskReport:
    """Refine the CAM of each image and write ``<out_dir>/<name>.png``; of a refiner with ``keep``
    also the whole mask, ``<out_dir>/whole/<name>.png`` (:func:`scored_folder`).

    Ranks share the images. A mask that is there and not older than its CAM is kept, so an
    interrupted run resumes. An image that fails does not stop the others: it is listed in
    ``<out_dir>/failed.json``, and the next call does just those again. ``manifest.jsonl`` has a
    line ``name, classes, size, sha256, background`` (share of its pixels but 255) per mask. Shares
    of empty and full masks and of classes lost are logged, with a warning where they are large.

    Args:
        dataset: :class:`ImageLabelDataset`, or a list of ``dict(name=..., img_path=...)``.
        cam_dir: Folder of CAM files ``<name>.npz``.
        out_dir: Folder of the masks.
        refiner: Config of a :class:`CAMRefiner`, or one.
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
    settings = dict(cam_dir=_relative(cam_dir, out_dir), refiner=_settings(refiner))
    if isinstance(refiner, dict):
        refiner = MODELS.build(refiner)
    settings['crf'] = [type(crf).__name__ for crf in refiner.crfs]
    check_settings(out_dir, settings, 'masks')
    records = _records(dataset)
    metainfo = getattr(dataset, 'metainfo', {})
    if palette is None:
        palette = metainfo.get('palette', ())
    device = device_of(refiner)
    if num_workers and device.type != 'cpu':
        print_log(f'{type(refiner).__name__} runs on {device}: no worker processes', 'current')
        num_workers = 0

    rank, world_size = get_dist_info()
    known = known_records(out_dir, refiner.suffix)
    job = _Job(refiner, cam_dir, out_dir, palette, metainfo.get('classes') or ())
    # Shared out before looking at what is there, which another rank may already be changing.
    mine = [record for record in records[rank::world_size]
            if not job.is_done(record['name'])]
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
    shares = {}
    if is_main_process():
        known.update(made)
        lines = _write_manifest(out_dir, records, known, refiner.suffix, failed)
        write_failed(out_dir, failed)
        if refiner.suffix == '.png' and job.names:
            write_class_names(out_dir, job.names, palette)
        if isinstance(refiner, MaskRefiner):  # of confident labels many pixels are 255 on purpose
            shares = mask_shares(lines, _labels(dataset))
            _report_shares(shares, refiner)
    barrier()
    return MaskReport(len(made), len(records) - len(made) - len(failed), failed, shares)


def _labels(dataset: Any) -> dict[str, Sequence[int]]:
    """Classes of each image, where the data set knows them."""
    if hasattr(dataset, 'get_data_info'):
        dataset = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {info['name']: info.get('labels', ()) for info in dataset}


def _report_shares(shares: dict, refiner: MaskRefiner) -> None:
    if shares:
        print_log(f'masks: {describe(shares)}', 'current')
    for line in warnings(shares, refiner.bg, type(refiner).__name__):
        print_log(line, 'current', level=logging.WARNING)


def _relative(cam_dir: Path, out_dir: Path) -> str:
    """So that the folders can be moved together."""
    return os.path.relpath(cam_dir.resolve(), out_dir.resolve())


def _records(dataset: Any) -> list[dict]:
    if hasattr(dataset, 'get_data_info'):
        dataset = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [dict(name=info['name'], img_path=info['img_path']) for info in dataset]


def _settings(refiner: Any) -> Any:
    """What the masks depend on, as JSON: the config, and the checkpoint's content."""
    if not isinstance(refiner, dict):
        return repr({key: value for key, value in sorted(vars(refiner).items())
                     if key not in ('model', 'device')})
    settings = {key: value for key, value in refiner.items() if key != 'device'}
    if settings.get('checkpoint'):
        path = Path(settings['checkpoint'])
        if path.is_file():
            settings['checkpoint'] = file_digest(path)
    return json.loads(json.dumps(settings, default=repr))


def _write_manifest(out_dir: Path, records: list[dict], known: dict, suffix: str,
                    failed: dict) -> list[dict]:
    lines = []
    for record in records:
        name = record['name']
        if name not in failed:
            # Not known: made by a run that was killed before its manifest.
            lines.append(known.get(name) or mask_record(out_dir / f'{name}{suffix}', name))
    return write_manifest(out_dir, lines)
