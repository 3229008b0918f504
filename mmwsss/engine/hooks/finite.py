"""Training stops at the first loss or weight that is no number, before it is saved."""

import math

import torch

from mmwsss.utils.model_wrapper import unwrap_model

from ..ranks import running_statistics

_MEND = ('lower the learning rate, add clip_grad=dict(max_norm=...) to optim_wrapper, or leave out '
         '--amp. A term whose value is finite may have a gradient that is no number (sqrt, norm or '
         'division at 0), so that another is named here: tools/analysis_tools/term_gradients.py '
         'tells which')


def _stop(runner, what: str) -> None:
    last = runner.message_hub.get_info('last_ckpt')
    kept = (f'the last good checkpoint is "{last}", to go on from by --resume' if last else
            'no checkpoint had been written')
    raise FloatingPointError(f'{what}: training stopped, {kept}. To fix it, {_MEND}')


def check_losses(runner, outputs: dict) -> None:
    """Refuse a step whose loss is NaN or infinite.

    The values are those that mmengine has fetched from the device for its log; only where it has
    not are they fetched here.

    Args:
        runner: The runner, after its ``RuntimeInfoHook``.
        outputs: Losses of the step by name; ``loss`` is their sum.

    Raises:
        FloatingPointError: Names the term, the step, and the last good checkpoint.
    """
    logged = runner.message_hub.log_scalars

    def value(name: str) -> float:
        history = logged.get(f'train/{name}')
        return history.current() if history is not None else float(outputs[name])

    if 'loss' not in outputs or math.isfinite(value('loss')):
        return
    terms = [name for name in outputs if name != 'loss' and 'loss' in name]
    name = next((term for term in terms if not math.isfinite(value(term))), 'loss')
    _stop(runner, f'the loss term "{name}" is {value(name)} at step {runner.iter + 1} (epoch '
                  f'{runner.epoch + 1})')


def check_weights(runner, iteration: int) -> None:
    """Refuse to save weights or batch statistics that are NaN or infinite; gradients can be so
    where no loss is.

    Args:
        runner: The runner.
        iteration: Steps done.

    Raises:
        FloatingPointError: Names the weight, and the last good checkpoint.
    """
    model = unwrap_model(runner.model)
    # Other buffers may be infinite by design.
    named = dict(model.named_parameters())
    named.update(running_statistics(model))
    if named:
        finite = torch.stack([value.detach().isfinite().all() for value in named.values()])
        for name, good in zip(named, finite.tolist()):  # one transfer from the device
            if not good:
                _stop(runner, f'the weight "{name}" is not finite after step {iteration}')
