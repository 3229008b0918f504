"""What the processes of a run must hold in common before it is saved or judged."""

import torch
from mmengine import dist
from torch import Tensor, nn


def running_statistics(model: nn.Module) -> dict[str, Tensor]:
    """The batch norms' running statistics by name."""
    return {name: value for name, value in model.named_buffers()
            if name.endswith(('running_mean', 'running_var'))}


@torch.no_grad()
def share_statistics(model: nn.Module) -> None:
    """Give all ranks the mean of the batch norms' running statistics, in place.

    Each rank gathers its own, and only rank 0's would be saved. All ranks must call it.
    """
    buffers = list(running_statistics(model).values())
    if dist.get_world_size() == 1 or not buffers:
        return
    # In double precision the mean of equal values is that value.
    values = torch.cat([value.double().flatten() for value in buffers])
    dist.all_reduce(values, op='mean')
    for value, mean in zip(buffers, values.split([value.numel() for value in buffers])):
        value.copy_(mean.view_as(value))


@torch.no_grad()
def mean_gradients(model: nn.Module) -> dict[str, Tensor]:
    """Gradients that wait for their optimizer step (accumulation), the mean of all ranks, which
    DistributedDataParallel would make of them at the step. All ranks must call it.

    Returns:
        Name to gradient on the CPU; a parameter that no rank has a gradient of is left out.
    """
    named = list(model.named_parameters())  # those of a phase at rest are frozen and wait, too
    if not any(p.grad is not None for _, p in named):
        return {}
    device = named[0][1].device
    present = torch.tensor([p.grad is not None for _, p in named], device=device).float()
    dist.all_reduce(present)
    gradients = {}
    for (name, p), count in zip(named, present.tolist()):
        if count:
            gradient = torch.zeros_like(p) if p.grad is None else p.grad.clone()
            dist.all_reduce(gradient, op='mean')
            gradients[name] = gradient.cpu()
    return gradients
