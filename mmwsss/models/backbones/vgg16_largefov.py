"""VGG16 of DeepLab-LargeFOV, output stride 8."""


from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


@MODELS.register_module()
class VGG16LargeFOV(BaseModule):
    """VGG16 whose last two poolings keep the size and whose fc6 is a 3x3 convolution of rate 12.

    ``features`` has torchvision's layer numbers, so ``vgg16`` weights load by ``init_cfg``; ``fc6``
    and ``fc7`` are new.

    Args:
        fc_channels: Channels of fc6 and fc7.
        drop_rate: Dropout after fc6 and fc7.
        dilation: Rate of fc6.
        width: Multiplier of the widths of ``features``.
        init_cfg: ``dict(type='Pretrained', checkpoint='torchvision://vgg16')`` or None.
    """

    def __init__(self,
                 fc_channels: int = 1024,
                 drop_rate: float = 0.5,
                 dilation: int = 12,
                 width: float = 1.,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        layers, in_channels = [], 3
        stages = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
        for stage, (channels, depth) in enumerate(stages):
            rate, channels = 2 if stage == 4 else 1, max(1, round(channels * width))
            for _ in range(depth):
                layers += [nn.Conv2d(in_channels, channels, 3, 1, rate, rate), nn.ReLU(True)]
                in_channels = channels
            layers.append(nn.MaxPool2d(3, 2 if stage < 3 else 1, 1))
        self.features = nn.Sequential(*layers)
        self.fc6 = nn.Conv2d(in_channels, fc_channels, 3, 1, dilation, dilation)
        self.fc7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.dropout = nn.Dropout(drop_rate)
        self.out_channels = fc_channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
                nn.init.zeros_(module.bias)

    def init_weights(self) -> None:
        if not init_from_pretrained(self, ignore=(r'classifier\.', ), new=(r'fc[67]\.', )):
            super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Normalised images ``(N, 3, H, W)`` to one map ``(N, fc_channels, H/8, W/8)``."""
        x = self.features(x)
        x = self.dropout(F.relu(self.fc6(x)))
        return (self.dropout(F.relu(self.fc7(x))), )
