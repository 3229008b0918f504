"""An MCTformer V2 classifier for a ``WSSSClassifier`` of MCTDeiT and MCTHead."""

from mmwsss.utils.convert import fit, read_torch, rename, run_converter

RULES = [
    (r'((?:cls_token|pos_embed|patch_embed\.proj|blocks\.\d+\.).*)', r'backbone.\1'),
    (r'head\.(weight|bias)', r'head.patch.\1'),
]
UNUSED = [r'norm\.(weight|bias)']  # made by the original but not part of its forward pass


def build(state: dict) -> dict:
    from mmwsss.models.backbones import MCTDeiT
    from mmwsss.models.heads import MCTHead
    num_classes, dims = state['backbone.cls_token'].shape[1:]
    patch_size = state['backbone.patch_embed.proj.weight'].shape[-1]
    grid = round((state['backbone.pos_embed'].shape[1] - num_classes) ** 0.5)
    depth = len({name.split('.')[2] for name in state if name.startswith('backbone.blocks.')})
    ratio = state['backbone.blocks.0.mlp.fc1.weight'].shape[0] // dims
    # The number of heads shapes no weight.
    return dict(
        backbone=MCTDeiT(num_classes, grid * patch_size, patch_size, dims, depth, 1, ratio),
        head=MCTHead(num_classes, dims))


def convert(src: str) -> dict:
    return fit(rename(read_torch(src), RULES, UNUSED, src), build, src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
