"""The registries of mmwsss: children of mmengine's roots with scope ``mmwsss``.

Foreign components are named by prefix in a config, e.g. ``type='mmpretrain.ResNet'`` or
``type='mmseg.EncoderDecoder'``; a component of one's own is registered in the registry of its kind
and imported through ``custom_imports``.
"""

from mmengine import registry as root
from mmengine.registry import Registry


def _child(name: str, parent: Registry, location: str) -> Registry:
    return Registry(name, parent=parent, scope='mmwsss', locations=[location])


RUNNERS = _child('runner', root.RUNNERS, 'mmwsss.engine')
LOOPS = _child('loop', root.LOOPS, 'mmwsss.engine')
HOOKS = _child('hook', root.HOOKS, 'mmwsss.engine')
OPTIM_WRAPPERS = _child('optim_wrapper', root.OPTIM_WRAPPERS, 'mmwsss.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', root.OPTIM_WRAPPER_CONSTRUCTORS, 'mmwsss.engine')
OPTIMIZERS = _child('optimizer', root.OPTIMIZERS, 'mmwsss.engine')
PARAM_SCHEDULERS = _child('parameter scheduler', root.PARAM_SCHEDULERS, 'mmwsss.engine')
DATASETS = _child('dataset', root.DATASETS, 'mmwsss.datasets')
# What a sample shows beside its image; a kind that mmengine does not have.
DATA_VIEWS = Registry('data view', scope='mmwsss', locations=['mmwsss.datasets'])
DATA_SAMPLERS = _child('data sampler', root.DATA_SAMPLERS, 'mmwsss.datasets')
TRANSFORMS = _child('transform', root.TRANSFORMS, 'mmwsss.datasets')
MODELS = _child('model', root.MODELS, 'mmwsss.models')
WEIGHT_INITIALIZERS = _child(
    'weight initializer', root.WEIGHT_INITIALIZERS, 'mmwsss.models')
METRICS = _child('metric', root.METRICS, 'mmwsss.evaluation')
VISUALIZERS = _child('visualizer', root.VISUALIZERS, 'mmwsss.visualization')
VISBACKENDS = _child('vis_backend', root.VISBACKENDS, 'mmwsss.visualization')
INFERENCERS = _child('inferencer', root.INFERENCERS, 'mmwsss.apis')
# Stages of the pipeline; mmengine has no such root.
STAGES = Registry('stage', scope='mmwsss', locations=['mmwsss.pipeline'])
