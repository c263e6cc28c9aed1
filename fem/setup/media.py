"""Media as others need them: regions that conduct electrons or ions, and where they are fed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from fem.mesh.domain import Domain
from fem.system.system import System

__all__ = ["Dissolved", "ElectronMedia", "IonMedia"]


class ElectronMedia(Protocol):
    """Everything that conducts electrons.

    Attributes:
        potential: name of its unknown.
    """

    potential: ClassVar[str]

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that do."""

    @property
    def collector(self) -> str | None:
        """The driven boundary, if there is one."""

    @property
    def connected(self) -> tuple[str, ...]:
        """Regions of a 2D cut that touch the collector outside its plane."""

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Other boundaries that touch a conductor held at a potential, V."""

    @property
    def insulated(self) -> tuple[tuple[str, str], ...]:
        """(solid or boundary, region) pairs with a coating between them that stops electrons."""

    def faces_of(
        self, domain: Domain, boundary: str, regions: Collection[str] | None = None
    ) -> list[tuple[str, str]]:
        """Faces of a boundary through which electrons enter those regions; default all."""


@dataclass(frozen=True)
class Dissolved:
    """A dissolved kind with a balance of its own, as what moves its liquid enters that.

    Attributes:
        label: ledgers are named after it, as `salt_out`.
        unknown: whose rows are the balance.
        charge: C/mol that make the balance a current.
        c: mol/m3 (UFL).
        lagged: c extrapolated to the end of the step, by nodes.
        rate: d(c)/dt at the nodes of this rank, ghosts last, mol/(m3 s).
    """

    label: str
    unknown: str
    charge: float
    c: Any
    lagged: Any
    rate: Callable[[], npt.NDArray[np.float64]]


class IonMedia(Protocol):
    """Everything that conducts ions.

    Attributes:
        potential: name of its unknown.
    """

    potential: ClassVar[str]

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that do."""

    @property
    def salty(self) -> tuple[str, ...]:
        """Regions that dissolve salt."""

    def foresee(self, s: System) -> None:
        """Let kinetics read concentrations extrapolated to the end of each step (`c_lagged`)."""

    def dissolved(self, s: System) -> Sequence[Dissolved]:
        """All kinds with a balance of their own; none where nothing is solved for."""

    def at_nodes(self, s: System, state: int | None = None) -> npt.NDArray[np.float64]:
        """Salt, or metal ions, at the nodes of this rank, ghosts last, mol/m3.

        Args:
            s: the system.
            state: one of the last three, newest first; None for the present iterate.
        """

    def brings(self, s: System) -> tuple[Any, Any] | None:
        """Current that c can bring over a length, per c, A m/mol, and 1, tested with c (UFL).

        Both are lumped at nodes; None where nothing can be said of it.
        """

    def elsewhere(self, s: System) -> Any:
        """Current into the salty regions that stands in no row of theirs, A (UFL), or None."""
