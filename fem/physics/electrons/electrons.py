"""Electrons in everything that conducts them: the potential phi_s."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import ufl

from fem.system.system import System
from fem.system.vectors import CellMeans

if TYPE_CHECKING:
    from fem.mesh.domain import Domain

__all__ = ["Electrons"]

# Between a solid and a boundary held at a potential, ohm m2. A current of 1 mA/cm2 loses 0.1 uV in
# it; a perfect contact would look the same, and round-off of phi_s times 1/R stays harmless.
MIN_CONTACT_RESISTANCE = 1e-8


@dataclass(frozen=True)
class Electrons:
    r"""Ohm's law in the solids (and in pores that a mat bridges out of the plane).

        Strong:  div i_s = 0,  i_s = -sigma grad phi_s;   at a wall i_s . n_s = i_n
        Weak:    -(i_s, grad v) + <i_s . n_s, v> = 0       [A]

    The driven conductor is the boundary `collector`: there phi_s equals the cell's `voltage`, or
    differs from it by contact_resistance times the local current density. The unknown stored is
    phi_s - voltage. In a good conductor that is nanovolts, which keep their digits this way; the
    name `phi_s` stands for the sum.

    A part that is not connected to the collector floats: its potential follows from zero net
    current, without any further equation.

    Attributes:
        sigma: regions -> electronic conductivity, S/m (UFL: a field, or a function of place; or
            a name that another physics defines).
        collector: name of the driven boundary, or None if all conductors float.
        contact_resistance: between collector and what touches it, ohm m2 (number or UFL).
        connected: regions of a 2D cut that touch the collector outside its plane.
        fixed: other boundaries that touch a conductor held at a potential, V.
        resistances: contact resistance there, ohm m2; `MIN_CONTACT_RESISTANCE` if none is given.
        inflow: boundary -> current density into the solid, A/m2.
        insulated: (solid or boundary, region) pairs with a coating between them that stops
            electrons.
    """

    sigma: Mapping[tuple[str, ...], Any]
    collector: str | None = "collector"
    contact_resistance: Any = 0.0
    connected: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    resistances: Mapping[str, Any] = field(default_factory=dict)
    inflow: Mapping[str, Any] = field(default_factory=dict)
    insulated: tuple[tuple[str, str], ...] = ()

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("phi_s", "electrons")

    needs: tuple[str, ...] = ()
    potential: ClassVar[str] = "phi_s"

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that conduct electrons."""
        return tuple(name for names in self.sigma for name in names)

    def faces_of(
        self, domain: Domain, boundary: str, regions: Collection[str] | None = None
    ) -> list[tuple[str, str]]:
        """Faces of a boundary through which electrons enter; may be empty.

        Args:
            domain: the mesh.
            boundary: its name.
            regions: that are meant; all by default.
        """
        found = domain.faces_of(boundary, self.regions if regions is None else regions)
        return [face for face in found if face not in self.insulated]

    def vectors(self) -> tuple[CellMeans, ...]:
        """Currents, for files."""
        return (CellMeans("i_s", "phi_s", self.currents),)

    def _touching(self, s: System, boundary: str) -> Any:
        """Measure over the conducting faces of a boundary, None without any."""
        faces = self.faces_of(s.domain, boundary)
        return s.domain.ds(faces) if faces else None

    def declare(self, s: System) -> None:
        """Add phi_s on all conducting regions and hold it on the collector."""
        part = s.domain.subdomain(self.regions)
        phi = s.add("phi_s", part, scale=1e-2, potential=True)
        s.define("electrons", self)
        phi.offset = s.get_voltage
        s.define("phi_s", phi.value + s.voltage)
        if self.collector is not None and not self._resists:
            faces = self.faces_of(s.domain, self.collector)
            nodes = s.domain.nodes_on(phi.space, part, faces=faces)
            nodes = np.union1d(nodes, s.domain.nodes_in(phi.space, part, self.connected))
            phi.fix(nodes.astype(np.int32), 0.0, group="collector")

    @property
    def _resists(self) -> bool:
        """There is a contact resistance at the collector."""
        plain = isinstance(self.contact_resistance, int | float)
        return not plain or self.contact_resistance > 0.0

    def rows(self, s: System) -> None:
        """Ohm's law, and what leaves through contacts and other boundaries."""
        phi, v, w = s.unknowns["phi_s"].value, s.test("phi_s"), s.domain.weight
        for sigma, dx in self._conducting(s):
            s.row("phi_s", sigma * ufl.inner(ufl.grad(phi), ufl.grad(v)) * w * dx)
        inward, measure = self._supply(s)
        if measure is not None:
            s.row("phi_s", -inward * v * measure)
            s.reports.flow("contact", inward * measure)
        for outward, measure in self._outflow(s):
            s.row("phi_s", outward * v * measure)
            s.drive(outward * measure)  # the collector carries it besides the walls' current
            s.reports.flow("outflow", outward * measure)
        s.ports.contribute("work", functools.partial(self._work, s))
        s.reports.spend("ohmic_s", functools.partial(self._ohmic, s))
        if measure is not None or self._contacts(s):
            s.reports.spend("contact", functools.partial(self._at_contacts, s))

    def _conducting(self, s: System, lagged: str = "") -> list[tuple[Any, Any]]:
        """(conductivity, measure) of all regions; with `lagged` as phi_s was solved with."""
        out = []
        for regions, given in self.sigma.items():
            moving = isinstance(given, str)
            sigma = s.values.get(f"{given}{lagged}", s[given]) if moving else given
            out.append((sigma, s.domain.dx(regions, lumped=moving)))
        return out

    def currents(self, s: System) -> list[tuple[Any, Any]]:
        """i_s, A/m2 (vector), and measure of all regions, as phi_s was solved with."""
        slope = ufl.grad(s.unknowns["phi_s"].value)
        return [(-sigma * slope, dx) for sigma, dx in self._conducting(s, "_lagged")]

    def _ohmic(self, s: System, v: Any) -> Any:
        """(sigma |grad phi_s|^2, v), W."""
        phi, w, total = s.unknowns["phi_s"].value, s.domain.weight, 0
        for sigma, dx in self._conducting(s, "_lagged"):
            total += sigma * ufl.inner(ufl.grad(phi), ufl.grad(phi)) * v * w * dx
        return total

    def _at_contacts(self, s: System, v: Any) -> Any:
        """Power that contacts of the collector and of other boundaries take, tested with v, W."""
        phi, total = s.unknowns["phi_s"].value, 0
        inward, measure = self._supply(s)
        if measure is not None:
            total += -inward * phi * v * measure
        for potential, outward, measure in self._contacts(s):
            total += outward * (s["phi_s"] - potential) * v * measure
        return total

    def _work(self, s: System, v: Any) -> Any:
        """Electrical work through all boundaries but the collector, tested with v, W."""
        total: Any = 0
        for potential, outward, measure in self._contacts(s):
            total -= outward * potential * v * measure
        for inward, measure in self._through(s, self.inflow):
            total += inward * s["phi_s"] * v * measure
        return total

    def _supply(self, s: System) -> tuple[Any, Any]:
        """Weighted current density into the solid through a resisting collector, and measure."""
        if self.collector is None or not self._resists:
            return None, None
        inward = -s.unknowns["phi_s"].value / self.contact_resistance
        return inward * s.domain.weight, self._touching(s, self.collector)

    def _outflow(self, s: System) -> list[tuple[Any, Any]]:
        """(weighted current density out of the solid, measure), all boundaries but collector."""
        out = [(outward, measure) for _, outward, measure in self._contacts(s)]
        return out + [(-inward, measure) for inward, measure in self._through(s, self.inflow)]

    def _contacts(self, s: System) -> list[tuple[Any, Any, Any]]:
        """(potential that is held, weighted current density out of the solid, measure)."""
        outward = {
            boundary: (s["phi_s"] - potential)
            / self.resistances.get(boundary, MIN_CONTACT_RESISTANCE)
            for boundary, potential in self.fixed.items()
        }
        held = [self.fixed[b] for b in self.fixed if self._touching(s, b) is not None]
        found = self._through(s, outward)
        return [(potential, *pair) for potential, pair in zip(held, found, strict=True)]

    def _through(self, s: System, densities: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """(weighted current density, measure) of those boundaries that touch a conductor."""
        measures = {boundary: self._touching(s, boundary) for boundary in densities}
        return [
            (density * s.domain.weight, measures[boundary])
            for boundary, density in densities.items() if measures[boundary] is not None
        ]
