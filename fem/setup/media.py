"""Media as others need them: regions that conduct electrons or ions, and where they are fed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol

from fem.mesh.domain import Domain
from fem.system.system import System

__all__ = ["ElectronMedia", "IonMedia"]


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

    def elsewhere(self, s: System) -> Any:
        """Current into the salty regions that stands in no row of theirs, A (UFL), or None."""
