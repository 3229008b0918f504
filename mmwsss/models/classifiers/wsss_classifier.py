"""The one classifier that every method builds on."""

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from mmengine import dist
from mmengine.model import BaseModel, BaseModule, ModuleDict, ModuleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmwsss.models.utils.cam import resize_maps
from mmwsss.models.utils.multi_scale import multi_scale_cam
from mmwsss.registry import MODELS

from ..heads.base import CAMOutput
from ..utils.loss_terms import ConstantTerms, named_terms
from .part_checks import (
    check_data,
    check_inference,
    check_parts,
    checked_features,
    checked_output,
    evaluating,
)
from .views import Progress, Views


class _Network(nn.Module):
    """A backbone and a CAM head."""

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images ``(N, 3, H, W)`` to the backbone's feature maps."""
        return checked_features(self.backbone, self.backbone(images), images)

    def extract(self, images: Tensor) -> CAMOutput:
        """Normalised images ``(N, 3, H, W)`` to features, CAM and logits."""
        feats = self.features(images)
        if torch.is_grad_enabled() and not feats[-1].requires_grad:
            # A network whose weights are fixed in this phase: the backbone keeps no graph, but the
            # logits can still be differentiated by the features (Grad-CAM).
            feats = (*feats[:-1], feats[-1].detach().requires_grad_())
        return self.classify(feats, images)

    def classify(self, feats: Sequence[Tensor], images: Tensor) -> CAMOutput:
        """The head on the backbone's feature maps of ``images``."""
        options = dict(image=images) if getattr(self.head, 'needs_image', False) else {}
        return checked_output(self.head, self.head(feats, **options), images)


@MODELS.register_module()
class CAMNetwork(_Network, BaseModule):
    """A network beside the student, e.g. EADER's adversary or an EMA teacher.

    Args:
        backbone: Config of the backbone.
        head: Config of the CAM head.
    """

    def __init__(self, backbone: dict, head: dict, init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)

    forward = _Network.extract


@MODELS.register_module()
class WSSSClassifier(_Network, BaseModel):
    """A multi-label classifier whose class activation maps (CAMs) localise, and a list of modules,
    each one published idea that adds loss terms.

    Args:
        backbone: Config of the student's backbone (``mmpretrain.*`` and ``mmseg.*`` by prefix).
        head: Config of the CAM head.
        modules: Configs of :class:`WSSSModule` children; any subset is legal.
        teacher: Keep a second network of the same shape whose weights follow the student as an
            exponential moving average (``train_cfg.ema``). It gets no gradient.
        networks: Further networks by name, e.g. ``adversary=dict(type='CAMNetwork', ...)``.
        cls_views: Views with the head's classification loss (the paired image of KTSE has none);
            one that a module makes, from that module's ``begin`` on.
        cls_weight: Factor of the classification loss.
        cls_images: Only the first images of a batch have it, so many over all ranks (AEFT's code:
            8); None: all.
        cam: How inference makes a CAM where the head does not (``dict(type='GradCAM')``).
        test_cfg: Options of :func:`multi_scale_cam` for :meth:`predict`, and ``logits=True`` to
            predict image logits as well (one more forward pass, for classification metrics).
            :func:`~mmwsss.inference.read_config` fills in what the config's ``pipeline.cam`` says.
        val_cam: Options that take the place of those of ``test_cfg`` in validation, and there only
            (``dict(scales=(1., ), flip=False)`` for a cheaper one).
        data_preprocessor: Config of :class:`WSSSDataPreprocessor`.
    """

    def __init__(self,
                 backbone: dict,
                 head: dict,
                 modules: Sequence[dict] = (),
                 teacher: bool = False,
                 networks: dict[str, dict] | None = None,
                 cls_views: Sequence[str] = ('image', ),
                 cls_weight: float = 1.,
                 cls_images: int | None = None,
                 cam: dict | None = None,
                 test_cfg: dict | None = None,
                 val_cam: dict | None = None,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        # Built here, since mmengine would look the type up in its own registry.
        super().__init__(
            MODELS.build(data_preprocessor or dict(type='WSSSDataPreprocessor')), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.num_classes = self.head.num_classes
        # Where the head makes no CAM in the forward pass, e.g. dict(type='GradCAM').
        self.cam = None if cam is None else MODELS.build(cam)
        self.networks = ModuleDict(  # of mmengine, which initialises what is in it
            {name: MODELS.build(cfg) for name, cfg in (networks or {}).items()})
        self.teacher = None
        if teacher:
            self.teacher = CAMNetwork(backbone, head).requires_grad_(False)
        # `modules` itself is a method of nn.Module.
        self.wsss_modules = ModuleList([MODELS.build(cfg) for cfg in modules])
        self._check_modules()
        self.cls_views = tuple(cls_views)
        self.cls_weight = cls_weight
        if cls_images is not None and cls_images < 1:
            raise ValueError(f'WSSSClassifier: cls_images={cls_images} must be at least 1, or None')
        self.cls_images = cls_images
        self.test_cfg = dict(test_cfg or {})
        self.val_cam = dict(val_cam or {})
        self.progress = Progress()
        self._constant_terms = ConstantTerms()
        self.loaded_networks: set | None = None

    def _check_modules(self) -> None:
        check_parts(self)

    @property
    def ideas(self) -> nn.ModuleList:
        """Earlier name of ``wsss_modules``."""
        return self.wsss_modules

    # -- networks ----------------------------------------------------------------------------------
    def network(self, name: str) -> nn.Module:
        """The network of that name: ``student``, ``teacher``, ``frozen`` or one of ``networks``."""
        if name in ('student', 'frozen'):
            return self
        if name == 'teacher' and self.teacher is not None:
            return self.teacher
        if name in self.networks:
            return self.networks[name]
        raise KeyError(f'no network "{name}"; there are '
                       f'{["student", "frozen", *self.networks]}'
                       f'{" and teacher" if self.teacher is not None else ""}')

    def run_network(self, images: Tensor, network: str = 'student') -> CAMOutput:
        """Forward ``images`` through a network; ``teacher`` and ``frozen`` never give gradient."""
        if network == 'teacher':
            with torch.no_grad():
                return self.network(network).extract(images)
        if network == 'frozen':
            with torch.no_grad(), evaluating(self.backbone, self.head):
                return self.extract(images)
        return self.network(network).extract(images)

    def trains(self, network: str = 'student') -> bool:
        """Whether this step optimizes the network (its phase is active)."""
        if network in ('teacher', 'frozen'):
            return False
        parts = ([self.backbone, self.head] if network == 'student' else [self.network(network)])
        return any(p.requires_grad for part in parts for p in part.parameters())

    def norm_is_frozen(self, network: str = 'student') -> bool:
        """Whether batching views changes nothing: no batch normalisation uses batch statistics."""
        net = self.network(network)
        return not any(
            m.training for part in (net.backbone, net.head) for m in part.modules()
            if isinstance(m, _NormBase))

    # -- training ----------------------------------------------------------------------------------
    def train(self, mode: bool = True) -> 'WSSSClassifier':
        """As usual, but the teacher stays in evaluation mode: its targets are free of dropout and
        its batch statistics are the student's."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def set_progress(self, progress: Progress) -> None:
        """Called by the loop before every step."""
        self.progress = progress

    def views(self, inputs: dict[str, Tensor], data_samples: dict[str, list]) -> Views:
        """The :class:`Views` of one step."""
        return Views(self.run_network, inputs, data_samples, self.progress, self.norm_is_frozen,
                     self.trains)

    def loss(self, inputs: dict[str, Tensor], data_samples: dict[str, list]) -> dict[str, Tensor]:
        """Classification loss and the terms of all active modules, named ``<module>.<term>``."""
        views = self.views(inputs, data_samples)
        active: list[tuple[nn.Module, float]] = []
        for module in self.wsss_modules:
            weight = module.current_weight(self.progress)
            if weight and any(self.trains(network) for network in module.trains):
                module.add_views(views)
                active.append((module, weight))
        losses = {}
        if self.trains('student'):
            rows = self.cls_images and math.ceil(self.cls_images / dist.get_world_size())
            waiting = len(active) < len(self.wsss_modules)  # their views are not there yet
            shown = [view for view in self.cls_views if view in views or not waiting]
            views.expect(*shown, rows=rows)
            for view in shown:
                terms = self.head.loss(views(view, rows=rows), views.labels(view)[:rows])
                losses.update(named_terms(self.head, terms, self.cls_weight,
                                          '' if view == 'image' else f'{view}.'))
        for module, weight in active:
            losses.update(module.terms(views, weight))
        if not losses:
            raise ValueError(
                f'nothing to learn in phase "{self.progress.phase}" of epoch '
                f'{self.progress.epoch}: no module acts on the networks that it optimizes; see '
                'their begin= and '
                'train_cfg.phases')
        if self.progress.phase is None:  # a phase may well not optimize what a loss is about
            self._constant_terms(losses)
        return losses

    def check_sample(self, sample: dict, late: Sequence[nn.Module] = ()) -> None:
        """Check before the training that a sample of its last epoch has all that the modules need,
        and that inference works.

        Args:
            sample: ``inputs`` and ``data_samples`` of one image, before collation.
            late: Modules that never act in this training, so that they need nothing.

        Raises:
            KeyError, TypeError, ValueError: See ``check_data`` and ``check_inference`` of
                :mod:`mmwsss.models.classifiers.part_checks`.
        """
        views = check_data(self, sample, late)
        views.require(*self.cls_views)
        image = views.image('image')
        size = sample['data_samples']['image'].get('ori_shape', image.shape[-2:])
        check_inference(self, image, size)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the losses, and the log values averaged over all ranks."""
        total, log_vars = super().parse_losses(losses)
        if dist.get_world_size() > 1:
            values = torch.stack([value.detach().float() for value in log_vars.values()])
            dist.all_reduce(values, op='mean')
            log_vars = OrderedDict(zip(log_vars, values))
        return total, log_vars

    # -- inference ---------------------------------------------------------------------------------
    def forward(self,
                inputs: Tensor | dict[str, Tensor],
                data_samples: dict[str, list] | None = None,
                mode: str = 'tensor'):
        """``loss`` gives a dict of losses, ``predict`` data samples, ``tensor`` a CAMOutput."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        image = inputs['image'] if isinstance(inputs, dict) else inputs
        if mode == 'predict':
            return self.predict(image, data_samples['image'])
        if mode == 'tensor':
            return self.extract(image)
        raise ValueError(f'mode must be loss, predict or tensor, not "{mode}"')

    def predict_cam(self, inputs: Tensor) -> Tensor:
        """Raw, signed CAM ``(N, C, h, w)`` of a normalised batch ``(N, 3, H, W)``."""
        if self.cam is not None:
            return self.cam(self, inputs)
        return self.cam_of(self.extract(inputs), inputs)

    def cam_of(self, output: CAMOutput, inputs: Tensor) -> Tensor:
        """The head's CAM for inference, ``(N, C, h, w)``, of a pass over ``inputs``."""
        infer = getattr(self.head, 'infer_cam', None)
        if infer is None:
            return output.cam
        return infer(output, inputs) if getattr(self.head, 'needs_image', False) else infer(output)

    @property
    def own_background(self) -> bool:
        """Whether inference gives a background score of its own (SIPE's prototype), so that seeds
        are the argmax of :meth:`predict_scores` and need no threshold."""
        return self.cam is None and getattr(self.head, 'own_background', False)

    def predict_scores(self, inputs: Tensor, flip: bool = False) -> Tensor:
        """Scores of one scale by a head that aggregates flips itself (:attr:`own_background`).

        Args:
            inputs: Normalised images, with ``flip`` followed by their mirror images.
            flip: See ``inputs``.

        Returns:
            ``(N, C + 1, h, w)``, not negative, background first, of the straight images.
        """
        return self.head.infer_scores(self.extract(inputs), flip)

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Image logits ``(N, C)`` of a normalised batch ``(N, 3, H, W)``."""
        return self.extract(inputs).logits

    def val_step(self, data) -> list:
        """As ``test_step``, with the options ``val_cam``."""
        options = self.test_cfg
        self.test_cfg = {**options, **self.val_cam}
        try:
            return super().val_step(data)
        finally:
            self.test_cfg = options

    def predict(self, image: Tensor, data_samples: list) -> list:
        """Set ``pred_cam`` ``(C, H, W)`` in [0, 1], at the original size and filtered by the image
        label where there is one, ``pred_background`` ``(H, W)`` in [0, 1] if the head scores the
        background itself (:attr:`own_background`), and ``pred_logits`` ``(C,)`` if
        ``test_cfg.logits``."""
        options = dict(self.test_cfg)
        if options.pop('logits', False):
            for sample, logits in zip(data_samples, self.predict_logits(image)):
                sample.pred_logits = logits
        if 'gt_label' in data_samples[0]:
            labels = torch.stack([sample.gt_label for sample in data_samples]).to(image)
        else:
            labels = image.new_ones(len(image), self.num_classes)
        cams, backgrounds = multi_scale_cam(self, image, labels, background=True, **options)
        if backgrounds is not None:
            cams = torch.cat([backgrounds, cams], dim=1)
        for sample, cam in zip(data_samples, cams):
            cam = resize_maps(cam, sample.get('ori_shape', cam.shape[-2:]))
            if backgrounds is not None:
                sample.pred_background, cam = cam[0], cam[1:]
            sample.pred_cam = cam
        return data_samples

    # -- checkpoints -------------------------------------------------------------------------------
    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Take the earlier name ``ideas.`` of ``wsss_modules.``, start a missing teacher at the
        student, and refuse other shapes, which mmengine would only skip."""
        old, new = prefix + 'ideas.', prefix + 'wsss_modules.'
        for key in [key for key in state_dict if key.startswith(old)]:
            state_dict[new + key[len(old):]] = state_dict.pop(key)
        self.loaded_networks = {
            key[len(prefix):].split('.')[0] for key in state_dict if key.startswith(prefix)
        }
        if self.teacher is not None and 'teacher' not in self.loaded_networks:
            for part in ('backbone.', 'head.'):  # it starts at the student
                for key in [key for key in state_dict if key.startswith(prefix + part)]:
                    state_dict[f'{prefix}teacher.{key[len(prefix):]}'] = state_dict[key]
        for name, value in self.state_dict().items():
            loaded = state_dict.get(prefix + name)
            if loaded is not None and loaded.shape != value.shape:
                raise ValueError(
                    f'the checkpoint\'s "{prefix + name}" has shape {tuple(loaded.shape)}, this '
                    f'model ({self.num_classes} classes) needs {tuple(value.shape)}. It was '
                    'trained with other classes or widths; adapt the config, or drop that key '
                    'from the file')
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
