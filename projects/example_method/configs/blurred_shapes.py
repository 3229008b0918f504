# The example's module on the example's data view: the CAM of the blurred image is spread as well.
_base_ = './entropy_shapes.py'
custom_imports = dict(imports=[
    'projects.example_method.entropy', 'projects.example_method.blurred'])

model = dict(modules=[
    dict(type='EntropySpread', target=0.8, weight=0.5, begin=8),
    dict(type='EntropySpread', target=0.8, weight=0.5, begin=8, view='blurred', name='blurred'),
])
train_dataloader = dict(dataset=dict(views=[dict(type='BlurredView', begin=8)]))
