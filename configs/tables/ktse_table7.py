# KTSE (ECCV 2024), table 7: ways to learn from an erased image.
title = 'KTSE, table 7: alignment to the erased image'
paper = 'ktse'
kind = 'table'
source = 'KTSE, table 7 (VOC train)'
note = ('On Shapes the base is the plain CAM with the layers of KTSE, and the soft row, which '
        'needs GPP, stands on gpp_shapes.py.')
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle',
         voc={'pipeline.cam.relu': 'each'})]
_shapes = 'configs/demo/ktse_shapes.py'
_views = {'train_dataloader.dataset.views': []}
_acol = dict(type='ErasedClassification', threshold=0.6, begin=15, ramp=4)
_aeft = dict(type='AdversarialErasingTriplet', repulse_weight=0, begin=15, ramp=4)
_mga = ['MultiGranularityAlignment']
rows = [
    dict(name='base', voc='configs/ktse/gpp_r38_voc.py',
         shapes=dict(config=_shapes, modules=[], options=_views), published=dict(seed=54.2)),
    dict(name='rigid classification (ACoL)', voc='configs/ktse/ktse_rigid_r38_voc.py',
         shapes=dict(config=_shapes, options={'model.modules': [_acol], **_views}),
         published=dict(seed=55.6)),
    dict(name='soft, GPP feature (AEFT)', voc='configs/ktse/ktse_soft_r38_voc.py',
         shapes=dict(config='configs/demo/gpp_shapes.py', options={'model.modules': [_aeft]}),
         published=dict(seed=54.9)),
    dict(name='global alignment', voc='configs/ktse/ktse_mga-global_r38_voc.py',
         shapes=dict(config=_shapes, modules=_mga,
                     options={'model.modules.0.local_weight': 0, **_views}),
         published=dict(seed=58.7)),
    dict(name='global + local (MGA)', voc='configs/ktse/ktse_mga_r38_voc.py',
         shapes=dict(config=_shapes, modules=_mga, options=_views), published=dict(seed=60.2))]
