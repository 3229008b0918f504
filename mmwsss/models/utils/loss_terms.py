"""The terms that the losses of heads and modules give, by name."""

from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn


def named_terms(owner: nn.Module, terms: Mapping[str, Tensor], weight: float,
                prefix: str = '') -> dict[str, Tensor]:
    """What the ``loss`` of a head or module gives, by the names of the log, losses times
    ``weight``. A term without "loss" in its name is logged, not learned.

    Raises:
        TypeError: It gives no dict of tensors.
        ValueError: None of its terms would be learned.
    """
    name = type(owner).__name__
    if not isinstance(terms, Mapping) or not all(
            isinstance(term, Tensor) for term in terms.values()):
        got = ({key: type(term).__name__ for key, term in terms.items()}
               if isinstance(terms, Mapping) else type(terms).__name__)
        raise TypeError(f'{name}.loss must give a dict of tensors by name, not {got}')
    if terms and not any('loss' in key for key in terms):
        raise ValueError(f'{name}.loss gives {list(terms)}, of which nothing is learned: the '
                         'name of a loss must have "loss" in it, as "loss_consistency"')
    return {prefix + key: term * weight if 'loss' in key else term for key, term in terms.items()}


class ConstantTerms:
    """Warns once of a loss that has had no gradient in any of its first steps, so that it teaches
    nothing. In single steps that is right, where no image has what the loss is about.

    Args:
        steps: How many first steps.
    """

    def __init__(self, steps: int = 50):
        self.steps = steps
        self.counts: dict[str, int] = {}  # steps without gradient; not counted after one with

    def __call__(self, losses: Mapping[str, Tensor]) -> None:
        if not torch.is_grad_enabled():
            return
        for name, term in losses.items():
            count = self.counts.get(name, 0) + 1
            if term.requires_grad or 'loss' not in name:
                self.counts[name] = self.steps
            elif count <= self.steps:
                self.counts[name] = count
                if count == self.steps:
                    print_log(f'the loss term "{name}" has had no gradient in its first {count} '
                              'steps, so it teaches nothing: detach(), no_grad() or a comparison '
                              'cuts it off from the network', logger='current', level=30)
