"""The CAMs of KTSE's, GPP's and AEFT's configs are those that the published numbers come from."""

from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).parents[3] / 'configs'
FILES = sorted(str(path.relative_to(CONFIGS)) for folder in ('ktse', 'aeft')
               for path in (CONFIGS / folder).glob('*.py'))


@pytest.mark.parametrize('file', FILES)
def test_seeds_are_made_at_four_scales_and_flipped(file):
    cfg = Config.fromfile(CONFIGS / file)
    assert dict(cfg.model.test_cfg) == dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True)
    cam = (cfg.get('pipeline') or {}).get('cam')
    if 'ktse_' in file or 'ktse-' in file:  # IRN's own CAMs
        assert cam == dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True, relu='flip')
    else:
        assert cam is None


def test_the_code_and_the_papers_letter():
    code, paper = ([m for m in Config.fromfile(CONFIGS / f'ktse/{name}.py').model.modules
                    if m.type == 'SelfSupervisedRegularization'][0]
                   for name in ('ktse_r38_voc', 'ktse-paper_r38_voc'))
    # The code's are the defaults of the module.
    assert not {'relu_cam', 'truncate', 'relu_logits', 'complex_fg', 'inter_detach'} & set(code)
    assert (paper.relu_cam, paper.complex_fg) == (True, True)
    assert (paper.truncate, paper.relu_logits, paper.inter_detach) == (False, False, False)
