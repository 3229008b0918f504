# A refiner, a metric and a stage of one's own, beside the module of entropy_shapes.py:
#   python tools/run_pipeline.py projects/example_method/configs/parts_shapes.py
_base_ = './entropy_shapes.py'
custom_imports = dict(
    imports=[f'projects.example_method.{x}' for x in ('entropy', 'refiner', 'metric', 'stage')],
    allow_failed_imports=False)

pipeline = dict(
    mask=dict(type='PartsMask', share=0.2, bg='oracle'),
    metrics=[dict(type='ObjectIoU')],
    stages=dict(coverage=dict(type='CoverageStage')))
