# The example on the demo's baseline:
#   python tools/run_pipeline.py projects/example_method/configs/entropy_shapes.py
_base_ = '../../../configs/demo/cam_shapes.py'
custom_imports = dict(imports=['projects.example_method.entropy'], allow_failed_imports=False)

model = dict(modules=[dict(type='EntropySpread', target=0.8, weight=0.5, begin=8)])
pipeline = dict(
    baseline='configs/demo/cam_shapes.py',
    cam=dict(scales=(0.75, 1., 1.5), flip=True, batch_size=16),
    mask=dict(type='CRFMask', bg='oracle'))
