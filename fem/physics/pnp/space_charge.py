"""Ions and the charge they leave: Poisson's equation beside a balance of each ion."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import EPSILON_0, FARADAY, GAS_CONSTANT
from fem.case.species import Species
from fem.case.turnover import Turnover
from fem.compat import MPI, dfem
from fem.physics.pnp.drift import Velocity, drift
from fem.physics.pnp.foresight import CARRIER, RESTING, foresee
from fem.physics.pnp.power import Spending
from fem.physics.pnp.stern import SternLayers
from fem.setup.electrode import Electrode, Wall
from fem.system.edges import EdgeFlux
from fem.system.leftover import Leftover
from fem.system.system import System

__all__ = ["Liquid", "SpaceCharge", "SurfaceCharge", "unknown_of"]

Array = npt.NDArray[np.float64]

#: Share of all ions below which charge is round-off of their sum: 1e-10 of it, to which rows are
#: solved, is the last bit of theirs.
ROUND_OFF_SHARE = 1e-6
#: Largest step of phi to a region of fixed charge, RT/F.
MOST_LEVEL = 100.0
#: Most change of phi in one Newton iteration, in RT/F: over-limiting cells have hundreds of these.
MAX_MOVE = 50.0


@dataclass(frozen=True)
class Liquid:
    """Electrolyte of one region.

    Attributes:
        eps_r: relative permittivity.
        porosity, tortuosity: of an averaged region, or 1; D_eff = D porosity/tortuosity.
        fixed: charge that stays where it is, per volume of liquid, C/m3.
    """

    eps_r: float
    porosity: float = 1.0
    tortuosity: float = 1.0
    fixed: float = 0.0


@dataclass(frozen=True)
class SurfaceCharge:
    """Charge on walls that stays where it is.

    Attributes:
        density: C/m2.
        walls: (solid, electrolyte) pairs. faces: (boundary, electrolyte) pairs.
    """

    density: float
    walls: tuple[Wall, ...] = ()
    faces: tuple[Wall, ...] = ()


def unknown_of(ion: Species) -> str:
    """Name of the concentration of an ion."""
    return f"c_{ion.name}"


@dataclass
class SpaceCharge:
    r"""Poisson, Nernst and Planck: the charge of ions makes the field that moves them.

        Strong:  d(porosity c_i)/dt + div N_i = porosity sum made_i r
                 N_i = -D_i grad c_i - (z_i D_i F/RT) c_i grad phi + c_i u
                 -div(eps grad phi) = F sum z_i c_i + rho_fixed
        Walls:   z F N.n = -i_n of the metal ion, 0 of others (n out of the electrolyte);
                 eps grad phi.n = sigma_w, at electrodes C_S (phi_s - phi)
        Weak:    |z_i| F [ (d(porosity c_i)/dt - porosity made_i r, v) - (N_i, grad v)
                           + <N_i.n, v> ] = 0                                                  [A]
                 omega { (eps grad phi, grad v) - (F sum z_i c_i + rho_fixed, v)
                         - <sigma_w, v> - <C_S (phi_s - phi), v> } = 0                          [A]

    Storage and charge are lumped at nodes. -(N_i, grad v) is a sum of fitted fluxes along edges
    (`fem.solver.fitted`). omega = max(rate, D_max/(L lambda)), 1/s, with the Debye length lambda:
    charge over the time of a step, or over the time in which layers are charged, is a current. A
    molecule has n = 1 instead of |z_i|.

    phi_l = phi + (RT/z F) ln(c/c0), of the metal ion, is the potential of a reference
    electrode of the metal, so that kinetics read the same names as everywhere: i_n is
    i0_ref [e^(alpha_a F d/RT) - (c/c_ref) e^(-alpha_c F d/RT)] with d = phi_s - phi at the plane
    where the Stern layer ends (Frumkin).

    Attributes:
        ions: the species, that of the plated metal first.
        liquids: by region.
        dielectrics: solids without ions and electrons -> their eps_r.
        T: K.
        length: of the cell, m.
        electrodes: that Stern layers lie on. stern: their capacity, F/m2.
        surface: charged walls.
        held: boundaries of a bath, where phi_l = 0 and all ions are as at the start.
        velocity: of the liquid.
        reactions: homogeneous ones.
    """

    ions: Sequence[Species]
    liquids: Mapping[str, Liquid]
    T: float
    length: float
    dielectrics: Mapping[str, float] = field(default_factory=dict)
    electrodes: Sequence[Electrode] = ()
    stern: float = 0.2
    surface: Sequence[SurfaceCharge] = ()
    held: Sequence[str] = ()
    velocity: Velocity | None = None
    reactions: Sequence[Turnover] = ()

    provides: tuple[str, ...] = ("phi_l", "phi", "c", "c_lagged", "ions")
    needs: tuple[str, ...] = ()
    potential: ClassVar[str] = "phi"

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that conduct ions."""
        return tuple(self.liquids)

    @property
    def salty(self) -> tuple[str, ...]:
        """Regions that dissolve ions."""
        return self.regions

    @property
    def c0(self) -> float:
        """Metal ions at the start away from charge, mol/m3."""
        return self.ions[0].c0

    @property
    def thermal(self) -> float:
        """RT/F, V."""
        return GAS_CONSTANT * self.T / FARADAY

    @functools.cached_property
    def debye(self) -> float:
        """Debye length of the start, the least of all regions, m."""
        strength = sum(ion.z**2 * ion.c0 for ion in self.ions)
        eps = EPSILON_0 * min(liquid.eps_r for liquid in self.liquids.values())
        return float(np.sqrt(eps * self.thermal / (FARADAY * strength)))

    def debye_of(self, region: str) -> float:
        """Debye length at the start of a region, with the ions that its fixed charge holds, m.

        These are in balance with the electrolyte of `[[ion]]` c0 (Donnan).
        """
        liquid, low, high = self.liquids[region], -MOST_LEVEL, MOST_LEVEL
        for _ in range(60):
            level = 0.5 * (low + high)
            held = [ion.c0 * np.exp(-ion.z * level) for ion in self.ions]
            rho = liquid.fixed + FARADAY * sum(
                ion.z * c for ion, c in zip(self.ions, held, strict=True))
            low, high = (level, high) if rho > 0.0 else (low, level)
        strength = sum(ion.z**2 * c for ion, c in zip(self.ions, held, strict=True))
        return float(np.sqrt(EPSILON_0 * liquid.eps_r * self.thermal / (FARADAY * strength)))

    def gouy_chapman(self, density: float) -> float:
        """Depth of the layer at a strongly charged wall, 2 eps RT/(F |sigma|), m.

        Args:
            density: sigma, C/m2.
        """
        eps = EPSILON_0 * min(liquid.eps_r for liquid in self.liquids.values())
        return 2.0 * eps * self.thermal / abs(density)

    @property
    def slowest(self) -> float:
        """Least of omega, 1/s."""
        return max(ion.D for ion in self.ions) / (self.length * self.debye)

    @property
    def fixed_potential(self) -> tuple[str, ...]:
        """Boundaries that electrolyte is fed through."""
        return tuple(self.held)

    @property
    def inflow(self) -> Mapping[str, Any]:
        """Boundaries with a given current: none."""
        return {}

    def conductivities(self, T: float) -> Iterator[float]:
        """Conductivity at the start (Nernst-Einstein) of each region, S/m."""
        ideal = FARADAY**2 / (GAS_CONSTANT * T) * sum(ion.z**2 * ion.D * ion.c0
                                                      for ion in self.ions)
        yield from (ideal * m.porosity / m.tortuosity for m in self.liquids.values())

    # -- unknowns ------------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add phi on liquid and dielectrics, and the concentration of each ion."""
        self.s, domain = s, s.domain
        self.part = domain.subdomain(self.regions)
        part = self.part
        if self.dielectrics:
            part = domain.subdomain((*self.regions, *self.dielectrics))
        phi = s.add("phi", part, scale=self.thermal, potential=True)
        phi.largest_move = MAX_MOVE * self.thermal
        for ion in self.ions:
            c = s.add(
                unknown_of(ion), self.part, differential=True, scale=ion.c0 or self.c0,
                positive=True,
            )  # fmt: skip
            c.value.x.array[:] = ion.c0
            content = FARADAY * max(abs(ion.z), 1) * (ion.c0 or self.c0)
            c.again = Leftover.of_row(s, c, content * domain.volume(self.regions))
            c.foresee = functools.partial(foresee, CARRIER if ion.plates else RESTING)
        for boundary in self.held:
            faces = domain.faces_of(boundary, self.regions)
            phi.fix(domain.nodes_on(phi.space, part, faces=faces), 0.0, group=boundary)
            for ion in self.ions:
                c = s.unknowns[unknown_of(ion)]
                on = domain.nodes_on(c.space, self.part, faces=faces)
                c.fix(on, ion.c0, group=boundary)
        self.shown = s.memory("phi_l", self.part)
        c = s[unknown_of(self.ions[0])]
        lift = self.thermal / self.ions[0].z * ufl.ln(c / self.c0)
        s.define("phi_l", phi.value + lift)
        s.define("c", c, stored=unknown_of(self.ions[0]))
        s.define("c_lagged", c)
        s.define("ions", self)
        s.reports.conductivities.append(self.conductivities)
        s.define("metal_row", unknown_of(self.ions[0]))
        s.hints.tight = s.hints.lags = True
        s.hints.least = self._least
        self.omega = dfem.Constant(domain.mesh, self.slowest)
        s.preparers.append(self._weigh)

    def _weigh(self) -> None:
        self.omega.value = max(float(self.s.rate.value), self.slowest)

    def _least(self) -> float:
        """A share of the charge of all ions over the time of the step, A (collective).

        Where layers only charge, or nothing flows between charged walls, the current of the cell
        is less than what the last bits of their charge make over a short step.
        """
        held = sum(abs(ion.z) * float(self.space @ self.s.unknowns[unknown_of(ion)].owned)
                   for ion in self.ions)
        whole = FARADAY * self.s.domain.comm.allreduce(held, op=MPI.SUM)
        return ROUND_OFF_SHARE * float(self.omega.value) * whole

    @functools.cached_property
    def space(self) -> Array:
        """Volume of the liquid around each owned node of the ions, m3 (2D: m2; collective)."""
        return np.asarray(self.s.nodal(self.s.form(self.volumes())))

    @staticmethod
    def name_of(ion: Species) -> str:
        """Name of the concentration of an ion."""
        return unknown_of(ion)

    @functools.cached_property
    def nodes_of_phi(self) -> npt.NDArray[np.int32]:
        """Node of phi at each node of the ions."""
        return self.s.same_nodes(unknown_of(self.ions[0]), "phi")

    @property
    def charged(self) -> bool:
        """There is charge at rest."""
        fixed = any(liquid.fixed for liquid in self.liquids.values())
        return bool(fixed or self.surface)

    # -- rows ----------------------------------------------------------------------------------

    def rows(self, s: System) -> None:
        """Poisson's equation, and the balance of each ion."""
        self.poisson(s)
        for ion in self.ions:
            self._balance(s, ion)
        self.layers = [
            SternLayers(s, tuple(here), self.stern, self.omega)
            for _, here in itertools.groupby(
                sorted(self.electrodes, key=lambda e: e.potential), key=lambda e: e.potential
            )
        ]
        for layers in self.layers:
            layers.rows()
        s.reports.spend_by(Spending(self), smooth=True)

    def poisson(self, s: System, rho: Any = None) -> None:
        """Poisson's equation but for electrodes.

        Args:
            s: has phi, of this system or another one on its mesh.
            rho: charge of the ions, C/m3, UFL; default that of the unknowns.
        """
        domain, w, phi, v = s.domain, s.domain.weight, s["phi"], s.test("phi")
        every = {n: liquid.eps_r for n, liquid in self.liquids.items()} | {**self.dielectrics}
        eps = EPSILON_0 * domain.field(every, "eps_r")
        fields = eps * ufl.inner(ufl.grad(phi), ufl.grad(v)) * w * domain.dx((*every,))
        s.row("phi", self.omega * fields)
        rho = self.charge_of_ions() if rho is None else rho
        rho += 0.0 if self._fixed is None else self._fixed
        weight, dx = self._nodes
        s.row("phi", -self.omega * self._porosity * rho * v * weight * dx)
        for density, side, measure in self.charged_walls():
            s.row("phi", -self.omega * density * (v(side) if side else v) * measure)

    def content(self, ion: Species) -> Any:
        """Content of an ion, mol (2D: mol/m), UFL."""
        weight, dx = self._nodes
        return self._porosity * self.s[unknown_of(ion)] * weight * dx

    def made(self, ion: Species, c: Sequence[Any]) -> Any:
        """Amount of an ion that reactions make of concentrations c, mol/(m3 s) of liquid, or None.

        Args:
            ion: one of `ions`.
            c: of all ions, in their order: UFL, or values at nodes.
        """
        k = self.ions.index(ion)
        parts = [r.made(k) * r.rate(c) for r in self.reactions if r.made(k)]
        return sum(parts[1:], parts[0]) if parts else None

    def _made(self, ion: Species) -> Any:
        return self.made(ion, [self.s[unknown_of(other)] for other in self.ions])

    def turned(self, ion: Species) -> Any:
        """Amount of an ion that reactions make, mol/s (2D: mol/(m s)), UFL; or None."""
        weight, dx = self._nodes
        made = self._made(ion)
        return None if made is None else self._porosity * made * weight * dx

    def volumes(self) -> Any:
        """Volume of the liquid around each node of the ions, UFL."""
        weight, dx = self._nodes
        return self._porosity * self.s.test(unknown_of(self.ions[0])) * weight * dx

    def charges(self) -> Iterator[Any]:
        """Charge of ions, of the liquid, of walls, and of the metal at each electrode, C (UFL)."""
        weight, dx = self._nodes
        yield self._porosity * self.charge_of_ions() * weight * dx
        if self._fixed is not None:
            yield self._porosity * self._fixed * weight * dx
        yield from (density * measure for density, _, measure in self.charged_walls())
        for layers in self.layers:
            yield from layers.charges()

    def displacement(self) -> Iterator[Any]:
        """Current into the liquid that its charge takes up and no ion carries, A (UFL).

        At baths: what charges ions and metal have, the field through the baths lacks.
        """
        weight, dx = self._nodes
        yield -self.s.ddt(self._porosity * self.charge_of_ions()) * weight * dx
        for layers in self.layers:
            yield from (-form for form in layers.charging())

    @functools.cached_property
    def _fixed(self) -> Any:
        """Charge per volume of liquid that stays, C/m3 (UFL); None without any."""
        given = {name: liquid.fixed for name, liquid in self.liquids.items()}
        return self.s.domain.field(given, "rho_fixed") if any(given.values()) else None

    def charge_of_ions(self) -> Any:
        """Charge per volume of liquid that ions make, C/m3 (UFL)."""
        return FARADAY * sum(ion.z * self.s[unknown_of(ion)] for ion in self.ions)

    def charged_walls(self) -> Iterator[tuple[Any, str, Any]]:
        """(weighted density, C/m2, the electrolyte's side, measure) of charged walls."""
        for entry in self.surface:
            for side, weight, measure in self.s.domain.lumped_on(entry.walls, entry.faces):
                yield entry.density * weight, side, measure

    @functools.cached_property
    def _porosity(self) -> Any:
        """Share of the volume that is liquid (UFL)."""
        shares = {n: liquid.porosity for n, liquid in self.liquids.items()}
        whole = all(share == 1.0 for share in shares.values())
        return 1.0 if whole else self.s.domain.field(shares, "porosity")

    @property
    def _nodes(self) -> tuple[Any, Any]:
        """Weight and measure of the liquid, lumped at nodes."""
        domain = self.s.domain
        return domain.node_weight(self.regions), domain.dx(self.regions, lumped=True)

    def _balance(self, s: System, ion: Species) -> None:
        name, unit = unknown_of(ion), FARADAY * max(abs(ion.z), 1)
        weight, dx = self._nodes
        s.row(name, unit * s.ddt(self._porosity * s[name]) * s.test(name) * weight * dx)
        if (made := self._made(ion)) is not None:
            s.row(name, -unit * self._porosity * made * s.test(name) * weight * dx)
        spread = {n: ion.D * m.porosity / m.tortuosity for n, m in self.liquids.items()}
        for D in sorted({*spread.values()}):
            regions = tuple(n for n, value in spread.items() if value == D)
            weight = functools.partial(self._weight, unit * D, regions)
            law = functools.partial(drift, name, "phi", ion.z / self.thermal)
            s.edge_fluxes.append(EdgeFlux(name, (name, "phi"), weight, law, self._carrying(D)))

    def _weight(self, k: float, regions: tuple[str, ...], z: Any) -> Any:
        return k * z * self.s.domain.weight * self.s.domain.dx(regions)

    def _carrying(self, D: float) -> Velocity | None:
        """Velocity of the liquid over D at points, 1/m."""
        u = self.velocity
        return None if u is None else lambda points: u(points) / D
