"""The common part of every published idea: when it acts and how much it counts."""

from abc import abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from ..classifiers.views import Progress, Views
from ..utils.loss_terms import named_terms


class WSSSModule(BaseModule):
    """An idea that adds loss terms to the classifier.

    A child says in :meth:`add_views` which views it will ask for or makes, and gives its terms in
    :meth:`loss`. It never calls a network itself.

    Args:
        weight: Factor of all its terms.
        begin: First epoch (from 0) in which it acts; first iteration if ``by_epoch=False``.
        ramp: Length of the linear rise of the weight from ``begin`` on, in the same unit.
        by_epoch: Unit of ``begin`` and ``ramp``.
        name: Prefix of its losses in the log; by default :attr:`prefix`.
    """

    prefix = 'module'
    networks: Sequence[str] = ()
    """Networks that it asks for; the classifier checks that they exist."""
    trains: Sequence[str] = ('student', )
    """Networks that its losses teach; it rests in a phase of the loop that trains none of them."""
    views: Sequence[str] = ()
    """Views that the data must provide; checked before training."""
    fields: Sequence[str] = ()
    """Fields that every data sample must have; checked before training."""

    def __init__(self,
                 weight: float = 1.,
                 begin: int = 0,
                 ramp: int = 0,
                 by_epoch: bool = True,
                 name: str | None = None,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if begin < 0 or ramp < 0:
            raise ValueError(
                f'{type(self).__name__}: begin={begin} and ramp={ramp} must not be negative')
        self.weight = weight
        self.begin = begin
        self.ramp = ramp
        self.by_epoch = by_epoch
        self.prefix = name or self.prefix

    def current_weight(self, progress: Progress) -> float:
        """Weight at this point of the training, 0 before ``begin``."""
        now = progress.epoch if self.by_epoch else progress.iter
        if now < self.begin:
            return 0.
        if not self.ramp:
            return self.weight
        done = now - self.begin + (progress.fraction if self.by_epoch else 0)
        return self.weight * min(done / self.ramp, 1.)

    def check(self, model: nn.Module) -> None:
        """Raise ValueError if the classifier lacks what this idea needs; called once."""

    def need(self, there: bool, model: nn.Module, what: str, mend: str) -> None:
        """For :meth:`check`: the head must give something.

        Args:
            there: Whether it does.
            model: The classifier.
            what: What this idea needs, and the option by which it does.
            mend: What to change.

        Raises:
            ValueError: It does not.
        """
        if not there:
            raise ValueError(f'{type(self).__name__} needs {what}, which '
                             f'{type(model.head).__name__} does not give; {mend}')

    def need_background(self,
                        model: nn.Module,
                        option: str = '',
                        mend: str = 'build the head with background=True') -> None:
        """:meth:`need` a background score; a head that gives one has ``background = True``."""
        self.need(getattr(model.head, 'background', None) is True, model,
                  f'a background score{option}', mend)

    def add_views(self, views: Views) -> None:
        """Make and announce views before any network runs."""

    @abstractmethod
    def loss(self, views: Views) -> dict[str, Tensor]:
        """Loss terms by name (``loss_*``), unweighted by :attr:`weight`. A term without "loss" in
        its name is logged, not learned."""

    def terms(self, views: Views, weight: float) -> dict[str, Tensor]:
        """What :meth:`loss` gives, by the names of the log, losses times ``weight``.

        Raises:
            TypeError, ValueError: See :func:`~mmwsss.models.utils.loss_terms.named_terms`.
        """
        return named_terms(self, self.loss(views), weight, f'{self.prefix}.')
