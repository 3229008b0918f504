"""A model as a plain function of pixels: for ONNX and for counting operations."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.utils import atomic_write

NEEDS = 'pip install onnx onnxscript onnxruntime'


class _Deployed(nn.Module):
    """RGB pixels 0..255, float ``(N, 3, H, W)``, to a tuple of tensors named ``outputs``."""

    outputs: tuple[str, ...]

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        preprocessor = model.data_preprocessor
        mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
        self.register_buffer('mean', torch.zeros(3, 1, 1) if mean is None else mean.clone())
        self.register_buffer('std', torch.ones(3, 1, 1) if std is None else std.clone())
        # The network was trained on RGB if the preprocessor turns the BGR of files round.
        bgr = torch.tensor([10, 100, 200], dtype=torch.uint8).to(self.mean.device).view(3, 1, 1)
        seen = self.preprocess(bgr)[0, :, :1, :1]
        self.rgb = not torch.allclose(seen, (bgr - self.mean) / self.std)

    def preprocess(self, bgr: Tensor) -> Tensor:
        """What training makes of one uint8 image ``(3, H, W)``."""
        return self.model.data_preprocessor(dict(inputs=dict(image=[bgr])))['inputs']['image']

    def normalize(self, image: Tensor) -> Tensor:
        return ((image if self.rgb else image.flip(1)) - self.mean) / self.std


class DeployedClassifier(_Deployed):
    """``cam`` ``(N, C, h, w)`` as of ``predict_cam``, and image ``logits`` ``(N, C)``, at one
    scale."""

    outputs = ('cam', 'logits')

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        image = self.normalize(image)
        output = self.model.extract(image)
        return self.model.cam_of(output, image), output.logits


class DeployedSegmentor(_Deployed):
    """``logits`` ``(N, C + 1, H, W)``, background first, at one scale (``test_cfg`` is not
    applied)."""

    outputs = ('logits', )

    def preprocess(self, bgr: Tensor) -> Tensor:
        return self.model.data_preprocessor(
            dict(inputs=[bgr], data_samples=[SegDataSample()]))['inputs']

    def forward(self, image: Tensor) -> tuple[Tensor]:
        logits = self.model(self.normalize(image), mode='tensor')
        return (F.interpolate(logits, image.shape[2:], mode='bilinear',
                              align_corners=self.model.align_corners), )


def deployed(model: nn.Module) -> nn.Module:
    """The model as a function of RGB pixels, in eval mode.

    Raises:
        ValueError: Neither a classifier nor a segmentation model, or one whose CAM needs gradients.
    """
    if hasattr(model, 'decode_head'):
        return DeployedSegmentor(model).eval()
    if not hasattr(model, 'extract'):
        raise ValueError(f'{type(model).__name__} is neither a classifier nor a segmentation model')
    if getattr(model, 'cam', None) is not None:
        raise ValueError(f'{type(model.cam).__name__} makes its CAM by gradients, which a '
                         'deployed network has not; take a head with a CAM of its own')
    return DeployedClassifier(model).eval()


@torch.no_grad()
def export_onnx(model: nn.Module, path: str | Path, size: Sequence[int] = (256, 256),
                classes: Sequence[str] = (), dynamic: bool = True) -> None:
    """Write a model as ONNX: input ``image`` (RGB pixels 0..255, float32 ``(N, 3, H, W)``), outputs
    of :func:`deployed`, and the names of the classes as JSON in the metadata ``classes``.

    Args:
        model: Classifier or segmentation model.
        path: File to write, whole or not at all.
        size: Height and width that the network is traced with.
        classes: Foreground names.
        dynamic: Let number, height and width of the images vary; else they are 1 and ``size``.

    Raises:
        ImportError: A package is missing.
        ValueError: See :func:`deployed`; or the network cannot be exported.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f'the export to ONNX needs {error.name}: {NEEDS}') from error
    network = deployed(copy.deepcopy(model)).cpu()  # the caller's stays where it is
    shapes = None
    if dynamic:
        shapes = dict(image={0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC,
                             3: torch.export.Dim.DYNAMIC})
    # Two images: a batch of one would be taken for a constant.
    image = torch.rand(2 if dynamic else 1, 3, *size) * 255
    try:
        program = torch.onnx.export(
            network, (image, ), input_names=['image'], output_names=list(network.outputs),
            dynamo=True, dynamic_shapes=shapes, verbose=False)
    except torch.onnx.OnnxExporterError as error:
        hint = 'try --static' if dynamic else 'it has an operation that ONNX lacks'
        raise ValueError(f'{type(model).__name__} cannot be exported ({hint}): '
                         f'{str(error).strip().splitlines()[-1]}') from error
    program.model.metadata_props['classes'] = json.dumps(list(classes))
    with atomic_write(path, 'wb') as file:
        file.write(program.model_proto.SerializeToString())


@torch.no_grad()
def onnx_difference(model: nn.Module, path: str | Path, image: Tensor) -> dict[str, float]:
    """How far onnxruntime is from PyTorch on a batch.

    Args:
        model: What was exported.
        path: The ONNX file.
        image: As in :func:`export_onnx`.

    Returns:
        Of each output, the largest absolute difference over the largest absolute value.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: The file cannot be run on such a batch.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f'the check needs onnxruntime: {NEEDS}') from error
    network = deployed(copy.deepcopy(model)).cpu()  # the caller's stays where it is
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    try:
        found = session.run(list(network.outputs), dict(image=image.numpy()))
    except Exception as error:  # onnxruntime's own, one class for each code
        raise ValueError(f'"{path}" cannot be run on images {tuple(image.shape)}: {error}'
                         ) from error
    return {name: float(np.abs(b - a.numpy()).max() / max(a.abs().max(), 1e-12))
            for name, a, b in zip(network.outputs, network(image), found)}
