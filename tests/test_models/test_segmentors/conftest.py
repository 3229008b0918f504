import numpy as np
import pytest
from PIL import Image


def draw(folder, count):
    """Bright squares (class 1) and bright discs (class 2) on dark noise."""
    rng = np.random.default_rng(0)
    for part in ('img', 'mask'):
        (folder / part).mkdir()
    y, x = np.mgrid[:32, :32]
    for index in range(count):
        top, left = rng.integers(2, 14, 2)
        square = (abs(y - top - 7) < 7) & (abs(x - left - 7) < 7)
        disc = (y - top - 7)**2 + (x - left - 7)**2 < 49
        mask = np.where(square, 1, 0) if index % 2 else np.where(disc, 2, 0)
        img = rng.integers(0, 60, (32, 32, 3)) + (mask[..., None] == [1, 2, 3]) * 150
        Image.fromarray(img.astype(np.uint8)).save(folder / 'img' / f'{index}.png')
        Image.fromarray(mask.astype(np.uint8)).save(folder / 'mask' / f'{index}.png')
    (folder / 'list.txt').write_text('\n'.join(map(str, range(count))))


@pytest.fixture
def tiny(tmp_path):
    """Makes a config of Shapes one of 8 drawings of 32x32 and a network of a few channels."""
    draw(tmp_path, 8)

    def shrink(cfg):
        pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask'),
                    dict(type='mmseg.PackSegInputs')]
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.update(batch_size=4, num_workers=0, persistent_workers=False)
            loader.dataset = dict(
                type='PseudoMaskDataset', data_root=str(tmp_path), ann_file='list.txt',
                img_dir='img', mask_dir='mask', img_suffix='.png',
                metainfo=dict(classes=('square', 'disc')), pipeline=pipeline)
        cfg.merge_from_dict(dict(model=dict(
            data_preprocessor=dict(size=(32, 32)),
            backbone=dict(stem_channels=8, base_channels=8),
            decode_head=dict(num_classes=3, in_channels=32))))

    return shrink
