"""Electrons in everything that conducts them: the potential phi_s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ufl

from ..system import System

__all__ = ["Electrons"]


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
        sigma: regions -> electronic conductivity, S/m (UFL: a field, or a function of place).
        collector: name of the driven boundary, or None if all conductors float.
        contact_resistance: between collector and what touches it, ohm m2.
        fixed: other boundaries held at a potential, V.
        inflow: boundary -> current density into the solid, A/m2.
    """

    sigma: Mapping[tuple[str, ...], Any]
    collector: str | None = "collector"
    contact_resistance: float = 0.0
    fixed: Mapping[str, float] = field(default_factory=dict)
    inflow: Mapping[str, Any] = field(default_factory=dict)

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("phi_s",)

    needs: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that conduct electrons."""
        return tuple(name for names in self.sigma for name in names)

    def declare(self, s: System) -> None:
        """Add phi_s on all conducting regions and hold it on the collector."""
        part = s.domain.subdomain(self.regions)
        phi = s.add("phi_s", part, scale=1e-2)
        s.define("phi_s", phi.value + s.voltage)
        if self.collector is not None and self.contact_resistance == 0.0:
            faces = s.domain.faces_of(self.collector, self.regions)
            if faces:
                nodes = s.domain.nodes_on(phi.space, part, faces=faces)
                phi.fix(nodes, 0.0, group="collector")
        for boundary, potential in self.fixed.items():
            faces = s.domain.faces_of(boundary, self.regions)
            phi.fix(s.domain.nodes_on(phi.space, part, faces=faces), potential, group=boundary)

    def rows(self, s: System) -> None:
        """Ohm's law, and the contact if it resists."""
        phi, v, w = s.unknowns["phi_s"].value, s.test("phi_s"), s.domain.weight
        for regions, sigma in self.sigma.items():
            s.row("phi_s", sigma * ufl.inner(ufl.grad(phi), ufl.grad(v)) * w * s.domain.dx(regions))
        if self.collector is not None and self.contact_resistance > 0.0:
            faces = s.domain.faces_of(self.collector, self.regions)
            if faces:
                s.row("phi_s", phi / self.contact_resistance * v * w * s.domain.ds(faces))
        for boundary, density in self.inflow.items():
            faces = s.domain.faces_of(boundary, self.regions)
            s.row("phi_s", -density * v * w * s.domain.ds(faces))
