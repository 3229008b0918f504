"""The views of one training step, each forwarded at most once per network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data_preprocessor import valid_mask
from ..heads.base import CAMOutput


@dataclass
class Progress:
    """Where the training is: epoch and iteration from 0, the done fraction of this epoch, and the
    active phase (name of an optimizer; None with a single one)."""

    epoch: int = 0
    iter: int = 0
    fraction: float = 0.
    phase: str | None = None


@dataclass
class _Recipe:
    make: Callable[[], Tensor]
    spec: dict
    after: tuple[str, ...]


class Views:
    """What the modules ask for instead of calling a network.

    ``views['image']`` is the student's output on the main crop; ``views('image', 'teacher')`` that
    of the EMA teacher. A view is either given by the data (``image``, ``paired``, ``strong``, ...)
    or made by a module (``erased``, ``concat``, ``x0.5``, ...). However many modules ask, a view
    goes through a network once per step. Views of one size that are known together go through as
    one batch if the normalisation layers are frozen, since then that changes nothing.

    Args:
        forward: ``forward(images, network) -> CAMOutput``.
        images: Normalised images of the data's views, each ``(N, 3, H, W)``.
        samples: Data samples of the views that have labels of their own.
        progress: Epoch, iteration and phase of this step.
        batchable: ``batchable(network) -> bool``: whether batching views changes nothing.
        trained: ``trained(network) -> bool``: whether this step optimizes that network.
    """

    def __init__(self,
                 forward: Callable[..., CAMOutput],
                 images: dict[str, Tensor],
                 samples: dict[str, Sequence],
                 progress: Progress | None = None,
                 batchable: Callable[[str], bool] = lambda network: False,
                 trained: Callable[[str], bool] = lambda network: True):
        self._forward = forward
        self._images = dict(images)
        self._recipes: dict[str, _Recipe] = {}
        self._cpu_labels = {
            name: torch.stack([sample.gt_label for sample in rows])
            for name, rows in samples.items() if rows and 'gt_label' in rows[0]
        }
        self._labels = {
            name: labels.to(images[name].device, non_blocking=True)
            for name, labels in self._cpu_labels.items()
        }
        self._outputs: dict[tuple[str, str], tuple[CAMOutput, bool]] = {}
        self._expected: dict[tuple[str, str], int | None] = {}  # rows; None: all
        self._batchable = batchable
        self._grad = torch.is_grad_enabled()
        self._shared: dict = {}
        self.samples = samples
        self.progress = progress or Progress()
        self.trains = trained

    # -- what there is -----------------------------------------------------------------------------
    def __contains__(self, name: str) -> bool:
        return name in self._images or name in self._recipes

    def require(self, *names: str) -> None:
        """Raises:
            KeyError: There is no such view; says which there are.
        """
        for name in names:
            if name not in self:
                raise KeyError(
                    f'view "{name}" does not exist; the data gives {sorted(self._images)}, the '
                    f'modules make {sorted(self._recipes)}. Does the training data set give it?')

    def image(self, name: str = 'image') -> Tensor:
        """The normalised images of a view, ``(N, 3, H, W)``.

        Raises:
            KeyError: There is no such view.
            ValueError: A module makes it in another shape.
        """
        if name not in self._images:
            self.require(name)
            with torch.set_grad_enabled(self._grad):  # whoever asks first, under no_grad or not
                images = self._recipes[name].make()
            shape = getattr(images, 'shape', ())
            if len(shape) != 4 or shape[1] != 3:
                raise ValueError(f'view "{name}" is made by a module, whose recipe must give '
                                 f'images (N, 3, H, W), not {type(images).__name__} '
                                 f'{tuple(shape)}')
            self._images[name] = images
        return self._images[name]

    def labels(self, name: str = 'image') -> Tensor:
        """Multi-hot labels ``(N, C)`` of a view; a view without its own has those of ``image``."""
        return self._labels.get(name, self._labels['image'])

    def cpu_labels(self, name: str = 'image') -> Tensor:
        """The labels ``(N, C)`` of a view given by the data, on the CPU: to ask them how many
        classes there are does not wait for the device."""
        return self._cpu_labels.get(name, self._cpu_labels['image'])

    def valid(self, name: str = 'image') -> Tensor:
        """1 on the image, 0 on padding: ``(N, 1, H, W)`` for a view given by the data.

        Raises:
            KeyError: A module makes the view, so where its padding is only the module knows.
        """
        if name in self._recipes:
            raise KeyError(f'view "{name}" is made by a module, so where it is padded is not '
                           'known; ask for that of the view it is made of')
        images = self._images[name]
        mask = valid_mask(self.samples.get(name) or self.samples.get('image') or [],
                          images.shape[-2:], images.device)
        return torch.ones_like(images[:, :1]) if mask is None else mask

    def field(self, key: str, name: str = 'image') -> Tensor:
        """A data field of every sample of a view as one batch, e.g. ``saliency`` ``(N, H, W)``.

        Raises:
            KeyError: A sample lacks the field.
        """
        rows = self.samples.get(name) or self.samples['image']
        for sample in rows:
            if key not in sample:
                raise KeyError(
                    f'image "{sample.get("name")}" has no "{key}"; a module needs it, so '
                    'the data set must provide it and the pipeline must load and pack it')
        return torch.stack([sample.get(key) for sample in rows])

    # -- what modules make -------------------------------------------------------------------------
    def add(self,
            name: str,
            make: Callable[[], Tensor],
            labels: Tensor | None = None,
            after: Sequence[str] = (),
            **spec) -> None:
        """Define a view by a recipe that runs when the view is first needed.

        Args:
            name: Name of the view.
            make: Gives its normalised images ``(N, 3, H, W)``.
            labels: Its labels, if they differ from those of ``image``.
            after: Views whose output the recipe uses.
            spec: What tells this recipe from another of the same name (thresholds, ...).

        Raises:
            TypeError: The recipe is no function.
            ValueError: Another recipe already has this name.
        """
        if not callable(make):
            raise TypeError(f'views.add("{name}", ...) needs a function that makes the images when '
                            f'they are needed, as lambda: ..., not {type(make).__name__}')
        known = self._recipes.get(name)
        if known is None and name not in self._images:
            self._recipes[name] = _Recipe(make, spec, tuple(after))
            if labels is not None:
                self._labels[name] = labels
        elif known is None or known.spec != spec:
            raise ValueError(
                f'two different recipes for view "{name}": '
                f'{known.spec if known else "given by the data"} and {spec}; give the modules '
                'equal options, or another view name')

    def expect(self, *names: str, network: str = 'student', rows: int | None = None) -> None:
        """Announce views that will be asked for with gradient, so they can be batched.

        Args:
            names: The views.
            network: The network that will see them.
            rows: Only their first images are needed; None: all. The largest request counts.
        """
        for name in names:
            known = self._expected.get((name, network), 0)
            self._expected[name, network] = None if None in (rows, known) else max(rows, known)

    def shared(self, key: str, make: Callable):
        """Anything else worth making once per step, e.g. refined labels used by two modules."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    # -- forward -----------------------------------------------------------------------------------
    def __getitem__(self, name: str) -> CAMOutput:
        return self(name)

    def __call__(self,
                 name: str,
                 network: str = 'student',
                 grad: bool = True,
                 rows: int | None = None) -> CAMOutput:
        """Output of a network on a view; made at the first call, remembered for the others.

        Args:
            name: The view.
            network: ``student``, ``teacher`` (EMA weights), ``frozen`` (the student's weights in
                evaluation mode) or an extra network of the classifier.
            grad: With gradient. Without, a pass that was made with gradient is reused, detached.
            rows: Only its first images; None: all. No more are forwarded than anyone asks for.
        """
        key = (name, network)
        grad_wanted = grad or key in self._expected
        wanted = len(self.image(name)[:rows])
        if (key not in self._outputs or (grad and not self._outputs[key][1])
                or len(self._outputs[key][0].cam) < wanted):
            names = self._batch_of(name, network) if grad_wanted else [name]
            images = [
                self.image(member)[:self._expected.get((member, network), wanted)]
                for member in names
            ]
            if len(images[0]) < wanted:  # more than was announced
                images[0] = self.image(name)[:wanted]
            joined = images[0] if len(images) == 1 else torch.cat(images)
            with torch.set_grad_enabled(self._grad and grad_wanted):
                output = self._forward(joined, network)
                parts = [output] if len(names) == 1 else output.split([len(x) for x in images])
            for member, part in zip(names, parts):
                self._outputs[member, network] = (part, grad_wanted)
        output, has_grad = self._outputs[key]
        if len(output.cam) > wanted:
            first, _ = output.split([wanted, len(output.cam) - wanted])
            first.origin = output.origin or first.origin
            output = first
        return output.detach() if has_grad and not grad else output

    def _batch_of(self, name: str, network: str) -> list[str]:
        if not self._batchable(network):
            return [name]
        shape = self.image(name).shape[1:]
        names = [name]
        for other, of_network in self._expected:
            ready = other in self._images or (
                other in self._recipes and not self._recipes[other].after)
            if (of_network == network and other != name and ready
                    and (other, network) not in self._outputs
                    and self.image(other).shape[1:] == shape):
                names.append(other)
        return names
