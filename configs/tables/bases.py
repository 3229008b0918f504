# The bases as their own papers and repositories publish them.
# Tables of different papers do not agree on common baselines: compare within a table only.
title = 'Bases: seeds, masks and segmentation as their papers publish them'
paper = 'bases'
kind = 'table'
source = 'the papers of the bases; AEFT: its repository'
_shapes = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU'),
    dict(key='val', title='val', stage='segment', split='val', metric='mIoU', shapes=_shapes),
    dict(key='test', title='test', stage='segment', split='test', metric='mIoU', shapes=_shapes)]

_deeplab = 'configs/deeplab/deeplab'
_v1_r38, _v2_r50 = f'{_deeplab}v1_r38_voc_msc-crf.py', f'{_deeplab}v2_r50_voc_msc-crf.py'
_v2_aspp = f'{_deeplab}v2-aspp_r101_voc_msc-crf.py'
rows = [
    dict(name=_name, published=_published, **_small, voc=dict(config=_config, options={
        'pipeline.segment.config': _segment} if _segment else {}))
    for _name, _config, _segment, _small, _published in [
        ('PSA', 'configs/psa/psa_r38_voc.py', None, {}, dict(seed=47.7, mask=61.0)),
        ('IRN', 'configs/irn/irn_r50_voc.py', _v2_r50, dict(shapes='configs/demo/cam_shapes.py'),
         dict(seed=48.3, mask=66.5, val=63.5, test=64.8)),
        ('SEAM', 'configs/seam/seam_r38_voc.py', _v1_r38,
         dict(shapes='configs/demo/seam_shapes.py'),
         dict(seed=55.41, mask=63.61, val=64.5, test=65.7)),
        ('SEAM + PPC', 'configs/ppc/ppc_r38_voc.py', f'{_deeplab}v1_r38_voc_msc-crf.py', {},
         dict(seed=61.5, mask=69.2, val=67.7, test=67.4)),
        ('PPC + EPS', 'configs/ppc/ppc-eps_r38_voc.py', _v2_aspp,
         dict(shapes='configs/demo/ppc-eps_shapes.py'), dict(seed=70.5, val=72.6, test=73.6)),
        ('EPS', 'configs/eps/eps_r38_voc.py', None, {}, {}),
        ('SIPE', 'configs/sipe/sipe_r50_voc.py', f'{_deeplab}v2_r101_voc_coco-init_msc-crf.py',
         dict(shapes='configs/demo/sipe_shapes.py'),
         dict(seed=58.65, mask=69.3, val=68.8, test=69.7)),
        ('MCTformer', 'configs/mctformer/mctformer_deit-s_voc.py',
         f'{_deeplab}v1_r38_mct_voc_msc-crf.py', dict(shapes='configs/demo/mctformer_shapes.py'),
         dict(seed=61.7, mask=69.1, val=71.9, test=71.6)),
        ('AEFT', 'configs/aeft/aeft_r38_voc.py', f'{_deeplab}v1_r38_voc_msc-crf.py', {},
         dict(seed=56.2, mask=71.0, val=70.9, test=71.7))]]
