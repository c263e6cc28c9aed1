"""Ions in everything that conducts them: the potential phi_l and the salt concentration c."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY
from fem.base.errors import RunError
from fem.compat import dfem
from fem.mesh.spaces import space_on
from fem.setup.media import Dissolved
from fem.system.system import System
from fem.system.unknown import Split
from fem.system.vectors import CellMeans
from fem.theory.salt import MONOVALENT, Salt

__all__ = ["Ions", "Medium"]

#: Share of c0 below which less salt makes no larger diffusion potential. Of 1 mol/L that is salt
#: with a Debye length of 0.3 um: no neutral solution, and the ratio of next to nothing and even
#: less at two nodes of a pore that has run out of it would swing i_l by volts.
SCARCE = 1e-6

#: Share of c0 below which ln c of a charged medium rises no more: c at the corners of a cell is
#: reckoned from its slope, to round-off of the largest.
LEAST = 1e-13

#: Share of c0 below which, at a node, cells store their salt node by node.
EMPTY_SHARE = 1e-2


def _no_salt(c: Any, T: Any) -> Any:
    raise RunError("a salt property was asked of a region that dissolves no salt")


@dataclass(frozen=True)
class Medium:
    """Transport laws of some regions; functions of c (mol/m3) and T (K), UFL in and out.

    Attributes:
        regions: names of the regions that it fills.
        kappa: ionic conductivity, S/m.
        D: salt diffusivity, m2/s.
        t_plus: transference number of the metal ion.
        thermodynamic_factor: 1 + dlnf/dlnc.
        salt: dissolves salt; if not, only the metal ion moves (t_plus = 1) and c does not exist.
        held: salt per volume of liquid where it is not c: its anions over nu_minus, mol/m3. There c
            is the neutral salt in equilibrium, and ions are left where it is next to nothing.
        porosity, tortuosity: of an averaged region (X_eff = X porosity/tortuosity); 1 if resolved;
            a porosity may be a name that another physics defines (the pore that metal leaves).
        passes: name of what another physics says of X_eff/X, a number or a tensor, in place of
            porosity/tortuosity.
    """

    regions: tuple[str, ...]
    kappa: Callable[[Any, Any], Any]
    D: Callable[[Any, Any], Any] = _no_salt
    t_plus: Callable[[Any, Any], Any] = _no_salt
    thermodynamic_factor: Callable[[Any, Any], Any] = _no_salt
    salt: bool = True
    held: Callable[[Any, Any], Any] | None = None
    porosity: Any = 1.0
    tortuosity: Any = 1.0
    passes: str = ""

    @property
    def moving(self) -> bool:
        """Metal moves through."""
        return isinstance(self.porosity, str)

    @property
    def lumped(self) -> bool:
        """Integrals are sums over nodes: of what moves, or is stored by a law, for positive c."""
        return self.moving or self.held is not None

    def pore(self, s: System) -> Any:
        """Share of the volume that is electrolyte."""
        return s[self.porosity] if self.moving else self.porosity

    def open(self, s: System, pore: Any) -> Any:
        """Effective over bulk properties, where a share of the volume is pore."""
        return s[self.passes] if self.passes else pore / self.tortuosity

    def room(self, s: System) -> Any:
        """Share of the volume that metal leaves to salt; unlike `pore` without a floor."""
        return s["room"] if self.moving else self.porosity

    def stored(self, s: System) -> tuple[Any, Any, Any]:
        """Salt per volume, mol/m3, its weight and measure."""
        domain, lumped = s.domain, self.lumped
        weight = domain.node_weight(self.regions) if lumped else domain.weight
        salt = s["c"] if self.held is None else self.held(s["c"], s["T"])
        return self.room(s) * salt, weight, domain.dx(self.regions, lumped=lumped)

    def storing(self, s: System) -> Any:
        """Salt that a volume takes up, mol/(m3 s).

        Inside metal nothing is stored, and only the floor of its pores keeps c defined there; it
        takes up what c changes by, but no volume of liquid.
        """
        rate = s.ddt(self.stored(s)[0])
        return rate + (self.pore(s) - self.room(s)) * s.ddt(s["c"]) if self.moving else rate


@dataclass(frozen=True)
class Ions:
    r"""Concentrated binary electrolyte, electroneutral, and single-ion conductors.

        Strong:  div i_l = 0
                 i_l = -kappa grad phi_l + kappa g (RT/F)(1 + dlnf/dlnc)(1 - t_plus) grad ln c
                 d(porosity c)/dt + div N_an = 0
                 N_an = -D grad c - [(1 - t_plus)/(nF) + swept c] i_l
        Walls:   i_l . n_l = -i_n,  N_an . n_l = 0
        Weak:    -(i_l, grad v) + <i_l . n_l, v> = 0                        [A]
                 nF [ (d(porosity c)/dt, v) - (N_an, grad v) ] = 0          [A]

    n and g are the equivalents and the factor of the salt, whatever its charges
    (`fem.theory.salt`); for a z:z salt n = z and g = 2/z.

    The salt is balanced through the anion, which no electrode touches: its natural condition is
    zero flux, and the salt content is conserved to round-off. phi_l is the potential of a
    reference electrode of the plated metal in the local solution. `swept` is what electrolyte that
    growing metal displaces takes along (`fem.physics.displacement`), 0 where nothing moves.

    Attributes:
        media: what fills the ion-conducting regions.
        formula: charges of the salt's ions.
        c0: initial concentration, mol/m3.
        frozen: keep c at c0 everywhere (primary and secondary distribution).
        fixed_potential: boundary -> phi_l, V.
        fixed_concentration: boundary -> c, mol/m3.
        inflow: boundary -> ionic current density into the electrolyte, A/m2.
        start: points -> c at the start, mol/m3, where it is not c0 everywhere (collective).
    """

    media: tuple[Medium, ...]
    formula: Salt = MONOVALENT
    c0: float = 1000.0
    frozen: bool = False
    fixed_potential: Mapping[str, float] = field(default_factory=dict)
    fixed_concentration: Mapping[str, float] = field(default_factory=dict)
    inflow: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None

    def vectors(self) -> tuple[CellMeans, ...]:
        """Currents and, where the salt is solved for, its fluxes, for files."""
        solved = self.salty and not self.frozen
        return (CellMeans("i_l", "phi_l", self.currents),
                *[CellMeans("N_an", "c", self.fluxes)] * bool(solved))

    @property
    def salty(self) -> tuple[str, ...]:
        """Regions that dissolve salt."""
        return tuple(name for medium in self.media if medium.salt for name in medium.regions)

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that conduct ions."""
        return tuple(name for medium in self.media for name in medium.regions)

    def conductivities(self, T: float) -> Iterator[float]:
        """Conductivity at c0 of each medium for which it is one number, S/m."""
        for medium in self.media:
            with contextlib.suppress(TypeError):  # of place
                yield float(medium.kappa(self.c0, T))

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("phi_l", "c", "c_lagged", "ions")

    needs: tuple[str, ...] = ()
    potential: ClassVar[str] = "phi_l"

    def declare(self, s: System) -> None:
        """Add phi_l on all ion conductors and c where there is salt."""
        domain = s.domain
        part = domain.subdomain(self.regions)
        s.define("ions", self)
        s.reports.conductivities.append(self.conductivities)
        phi = s.add("phi_l", part, scale=1e-2, potential=True)
        for boundary, value in self.fixed_potential.items():
            faces = domain.faces_of(boundary, self.regions)
            phi.fix(domain.nodes_on(phi.space, part, faces=faces), value, group=boundary)
        if self.frozen or not self.salty:
            s.define("c", ufl.as_ufl(self.c0))
            s.define("c_lagged", s["c"])
            return
        same = set(self.salty) == set(self.regions)
        if not same:  # ions of a solid are as many as ever: kinetics on it are those at c0
            dry = {name: self.c0 for name in self.regions if name not in self.salty}
            s.define("c_of_solids", domain.field(dry, "c_of_solids"))
        wet = part if same else domain.subdomain(self.salty)
        c = s.add("c", wet, differential=True, scale=self.c0, positive=True)
        s.define("c_lagged", c.value)
        s.define("salt_charge", self.formula.equivalents * FARADAY)  # what scales the row of c
        points = c.space.tabulate_dof_coordinates()
        c.value.x.array[:] = self.c0 if self.start is None else self.start(points)
        for boundary, value in self.fixed_concentration.items():
            faces = domain.faces_of(boundary, self.salty)
            c.fix(domain.nodes_on(c.space, wet, faces=faces), value, group=boundary)

    def foresee(self, s: System) -> None:
        """Let properties and kinetics see the c foreseen for the end of each step."""
        c = s.unknowns["c"]
        lagged = dfem.Function(c.space, name="c_lagged")
        s.define("c_lagged", lagged, c.part)
        s.preparers.append(lambda: lagged.x.array.__setitem__(slice(None), c.value.x.array))

    def dissolved(self, s: System) -> tuple[Dissolved, ...]:
        """The salt, where it is solved for."""
        if "c" not in s.unknowns:
            return ()
        charge, c = self.formula.equivalents * FARADAY, s["c"]
        return (Dissolved("salt", "c", charge, c, s["c_lagged"], lambda: s.rate_at_nodes("c")),)

    def at_nodes(self, s: System, state: int | None = None) -> npt.NDArray[np.float64]:
        """Salt at the nodes of this rank, of the iterate (None) or of an old state, mol/m3."""
        c = s.unknowns["c"]
        values: npt.NDArray[np.float64] = (c.value if state is None else c.old[state]).x.array
        return values

    def brings(self, s: System) -> tuple[Any, Any] | None:
        """D i_l/N_an (A m/mol) and 1, tested with c; None where c is followed by no neutral salt.

        The first times c, over a length, is the current by which c falls to nothing within it.
        """
        if "c" not in s.unknowns or any(medium.held is not None for medium in self.media):
            return None
        c, T, q = s["c_lagged"], s["T"], s.test("c")
        rate: Any = 0
        volume: Any = 0
        for medium in (m for m in self.media if m.salt):
            dx = s.domain.dx(medium.regions, lumped=True)
            left = self.formula.anions_left(medium.t_plus(c, T))
            rate += medium.D(c, T) / (left * medium.tortuosity) * q * dx
            volume += q * dx
        return rate, volume

    def current(self, s: System, medium: Medium, spreading: Any = None) -> Any:
        """i_l in a region, A/m2 (vector), with the gradient of `spreading` (c itself if None).

        Pores are those that the potentials were solved with, also once the metal has grown.
        """
        phi, c, T = s["phi_l"], s["c_lagged"], s["T"]
        spreading = s["c"] if spreading is None else spreading
        pore = s["pore_lagged"] if medium.moving else medium.porosity
        spread = medium.open(s, pore) * s.values.get("passage", 1.0)
        kappa = medium.kappa(c, T) * spread
        i_l = -kappa * ufl.grad(phi)
        if medium.salt and "c" in s.unknowns:
            i_l += kappa * self._spread(s, medium) * self._rise(s, medium, spreading)
        return i_l

    def _rise(self, s: System, medium: Medium, spreading: Any) -> Any:
        """Grad ln c that drives i_l, 1/m (vector)."""
        if medium.held is not None:
            return self._log_slope(s, spreading)
        return ufl.grad(spreading) / self._counted(medium, s["c_lagged"])

    def _log_slope(self, s: System, c: Any) -> Any:
        """Slope of ln c in a charged medium, 1/m: of the linear function through ln c at the nodes.

        Its anions conduct where metal ions run out. There grad c/c of a node, times a cell, would
        put volts in place of the logarithm that grad phi_l has to balance to almost nothing.
        """
        mesh, dim = s.domain.mesh, s.domain.dim
        x, corners, rise = ufl.SpatialCoordinate(mesh), ufl.geometry.CellVertices(mesh), ufl.grad(c)
        low, *logs = (
            ufl.ln(ufl.max_value(c + sum(rise[j] * (corners[k, j] - x[j]) for j in range(dim)),
                                 LEAST * self.c0))
            for k in range(dim + 1)
        )
        J = ufl.Jacobian(mesh)
        return ufl.inv(J).T * ufl.as_vector([high - low for high in logs])

    def _spread(self, s: System, medium: Medium) -> Any:
        """Diffusion potential over grad ln c, V."""
        c, T = s["c_lagged"], s["T"]
        factor, t_plus = medium.thermodynamic_factor(c, T), medium.t_plus(c, T)
        return self.formula.diffusion_potential(T, factor, t_plus)

    def _counted(self, medium: Medium, c: Any) -> Any:
        """The salt whose logarithm drives i_l, mol/m3."""
        return ufl.max_value(c, SCARCE * self.c0) if medium.held is None else c

    def anion_flux(self, s: System, medium: Medium, spreading: Any = None) -> Any:
        """N_an in a region with salt, that of the anions over nu_minus, mol/(m2 s) (vector)."""
        c, T = s["c_lagged"], s["T"]
        D = medium.D(c, T) * medium.open(s, medium.pore(s)) * s.values.get("passage", 1.0)
        left = self.formula.anions_left(medium.t_plus(c, T)) + s.values.get("swept", 0.0) * c
        return -D * ufl.grad(s["c"]) - left * self.current(s, medium, spreading)

    def currents(self, s: System) -> list[tuple[Any, Any]]:
        """i_l, A/m2 (vector), and measure of all regions, as the potentials were solved with."""
        spreading = s.rows_of("c")[-1][1] if "c" in s.unknowns else None
        return [(self.current(s, m, spreading), s.domain.dx(m.regions, lumped=m.lumped))
                for m in self.media]

    def fluxes(self, s: System) -> list[tuple[Any, Any]]:
        """N_an, mol/(m2 s) (vector), and measure of all regions with salt."""
        spreading = s.rows_of("c")[-1][1]
        return [(self.anion_flux(s, m, spreading), s.domain.dx(m.regions, lumped=m.lumped))
                for m in self.media if m.salt]

    def elsewhere(self, s: System) -> Any:
        """Current into the salty regions from single-ion conductors and from `inflow`, A.

        Tested with phi_l; None where there is neither.
        """
        v, w = s.test("phi_l"), s.domain.weight
        terms = [density * v * measure
                 for density, measure in s.domain.through(self.inflow, self.regions)]
        for medium in (m for m in self.media if not m.salt):
            flow = ufl.inner(self.current(s, medium), ufl.grad(v))
            terms.append(flow * w * s.domain.dx(medium.regions, lumped=medium.lumped))
        return sum(terms[1:], terms[0]) if terms else None

    def rows(self, s: System) -> None:
        """Charge and salt balance of every region."""
        w = s.domain.weight
        v = s.test("phi_l")
        for medium in self.media:
            dx = s.domain.dx(medium.regions, lumped=medium.lumped)
            s.row("phi_l", -ufl.inner(self.current(s, medium), ufl.grad(v)) * w * dx)
        for density, measure in s.domain.through(self.inflow, self.regions):
            s.row("phi_l", -density * v * measure)
            s.reports.flow("inflow", density * measure)
            s.reports.flow("carried", abs(density) * measure)
        s.ports.contribute("work", functools.partial(self._work, s))
        s.reports.spend("ohmic_l", functools.partial(self._ohmic, s))
        if "c" in s.unknowns:
            s.reports.spend("concentration", functools.partial(self._concentration, s))
        if "c" not in s.unknowns:
            return
        q, nF, emptied = s.test("c"), s["salt_charge"], self._emptied(s)
        for medium in (m for m in self.media if m.salt):
            _, here, dx = medium.stored(s)
            rate = medium.storing(s) * here
            for row, spreading in s.rows_of("c"):
                flux = self.anion_flux(s, medium, spreading)
                s.row(row, nF * rate * q * dx)
                if not medium.lumped:
                    apart = self._apart(s, emptied, medium.porosity * ufl.grad(s.ddt(s["c"])))
                    s.row(row, nF * ufl.inner(apart, ufl.grad(q)) * w * dx)
                s.row(row, -nF * ufl.inner(flux, ufl.grad(q)) * w * dx)
        s.splits["c"] = self._split(s)

    def _driven(self, s: System, medium: Medium) -> tuple[Any, Any]:
        """i_l, A/m2, and the field by which differences of concentration drive it, V/m."""
        if not medium.salt or "c" not in s.unknowns:
            return self.current(s, medium), ufl.as_vector([0.0] * s.domain.dim)
        spreading = s.rows_of("c")[-1][1]
        field = self._spread(s, medium) * self._rise(s, medium, spreading)
        return self.current(s, medium, spreading), field

    def _ohmic(self, s: System, v: Any) -> Any:
        """(|i_l|^2/kappa, v), W, as (i_l . (E - grad phi_l), v): kappa may be next to nothing."""
        total: Any = 0
        for medium in self.media:
            i_l, field = self._driven(s, medium)
            dx = s.domain.dx(medium.regions, lumped=medium.lumped)
            total += ufl.inner(i_l, field - ufl.grad(s["phi_l"])) * v * s.domain.weight * dx
        return total

    def _concentration(self, s: System, v: Any) -> Any:
        """(-i_l . E, v), W, with E the field of the diffusion potential.

        Heat, too: of an ideal solution, whose salt mixes without any.
        """
        total: Any = 0
        for medium in (m for m in self.media if m.salt):
            i_l, field = self._driven(s, medium)
            dx = s.domain.dx(medium.regions, lumped=medium.lumped)
            total += -ufl.inner(i_l, field) * v * s.domain.weight * dx
        return total

    def _work(self, s: System, v: Any) -> Any:
        """Electrical work through the boundaries of `inflow`, tested with v, W."""
        return sum(density * s["phi_l"] * v * measure
                   for density, measure in s.domain.through(self.inflow, self.regions))

    def _emptied(self, s: System) -> Any:
        """Field that is 1 in cells with a node that had run out of salt before the step, else 0."""
        c = s.unknowns["c"]
        emptied = dfem.Function(space_on(c.part.mesh, ("DG", 0)), name="emptied")
        cell, nodes = emptied.function_space.dofmap.list[:, 0], c.space.dofmap.list

        def mark() -> None:
            emptied.x.array[cell] = (c.old[0].x.array[nodes] < EMPTY_SHARE * self.c0).any(axis=1)

        s.preparers.append(mark)
        return emptied

    @staticmethod
    def _apart(s: System, emptied: Any, rise: Any) -> Any:
        r"""Flux that lumps the storage of c at nodes where cells are emptied, mol/(m2 s) (vector).

        Storage (dc/dt, q) couples neighbours: what leaves one node in a short step has to come
        from the next one too, which then falls below zero at a wall or in a corner without salt.
        Lumped at nodes it does not, and c has a maximum principle. On a simplex of d dimensions

            lumped (r, q) - (r, q) = (S grad r, grad q),  S = sum over edges e e^T/((d+1)(d+2)),

        which moves salt between the nodes of a cell and makes none, whenever it is switched.

        Args:
            s: the system.
            emptied: where it is so.
            rise: gradient of the salt that is stored in a second, mol/(m4 s).
        """
        d, J = s.domain.dim, ufl.Jacobian(s.domain.mesh)
        edges = J * ((d + 1) * ufl.Identity(d) - ufl.as_matrix(np.ones((d, d)).tolist())) * J.T
        return emptied / ((d + 1) * (d + 2)) * ufl.dot(edges, rise)

    def _split(self, s: System) -> Split:
        """Coupling of c to phi_l, for the solver."""
        q, c, T = s.test("c"), s["c_lagged"], s["T"]
        row = column = volume = 0
        swept = s["salt_charge"] * s.values.get("swept", 0.0) * c
        for medium in (m for m in self.media if m.salt):
            dx = s.domain.dx(medium.regions, lumped=True)
            row += (1 - medium.t_plus(c, T) + swept) * q * dx
            column += self._spread(s, medium) / self._counted(medium, c) * q * dx
            volume += q * dx
        return Split("phi_l", row, column, volume)
