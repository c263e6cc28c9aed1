r"""The potential of a field map, and what is measured of its field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError
from fem.compat import MPI, cell_vertices, dfem, owned_size
from fem.physics.maps import MEASURES, THIRDS
from fem.system.part import Observer
from fem.system.system import System
from fem.theory.space_charge import debye_length

__all__ = ["Driven", "Potential"]

Array = npt.NDArray[np.float64]

#: The field counts as uniform where it is within this share of its mean.
NEAR = 0.2
#: Share of the pores in which |E| is below `p95`.
MOST = 0.95


@dataclass(frozen=True)
class Driven:
    """A boundary that is driven.

    Attributes:
        phi: its potential, or that behind a layer, V.
        layer: what the layer lets pass by area: S/m2, or F/m2; None without a layer.
    """

    phi: float
    layer: float | None = None


@dataclass
class Potential(Observer):
    r"""One potential on all regions that conduct, or on all of an electrostatic map.

        Strong:  div(s grad phi) = -rho,   s = eps_0 eps_r,  or a conductivity and rho = 0
        Edges:   phi given;  or s dphi/dn = g (phi_given - phi) behind a layer;  else insulated
        Weak:    (s grad phi, grad v) + <g (phi - phi_given), v> - (rho, v) = 0              [A]

    n points out. P1. An electrostatic row is a charge, in coulomb; over 1 s it is a current as all
    rows are. Conductors that float are regions of large s; those that are held keep their phi.

    Flux of a boundary: what it supplies to the map, from the residual of its rows: the current
    that enters there, A, or the charge on it, C (2D: per metre). All together add up to nothing, or
    to minus the fixed charge.

    Attributes:
        kind: of the map.
        regions: in which phi is solved for.
        coefficient: s, a field constant on each cell. charge: rho, the same, or None.
        driven: boundary -> what drives it. held: region -> its potential, V.
        pores: regions whose field is measured.
        tip: boundary or region whose largest field is compared with that at the boundary `far`.
        media: what the summary says of each region. wagner: of surfaces that could plate.
        salt: mol/m3. temperature: K.
    """

    kind: str
    regions: tuple[str, ...]
    coefficient: Any
    charge: Any
    driven: Mapping[str, Driven]
    held: Mapping[str, float]
    pores: tuple[str, ...]
    tip: str = ""
    far: str = ""
    media: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    wagner: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    salt: float = 1000.0
    temperature: float = 298.15
    provides, needs = ("phi", "E"), ()

    # -- rows ----------------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """The potential, and its field on each cell."""
        self.s, domain = s, s.domain
        self.part = domain.subdomain(self.regions)
        phi = s.add("phi", self.part, potential=True)
        self.E = s.memory("E", self.part, per="cell", shape=(domain.dim,))
        s.hints.definite, s.hints.flow = True, self.flow
        self.fluxes: dict[str, float] = {}
        self._hold(phi)

    def _hold(self, phi: Any) -> None:
        """Hold what has a potential; nobody is held twice (collective).

        Raises:
            CaseError: two that are held at different potentials touch each other, or nothing is.
        """
        domain = self.s.domain
        taken = np.full(len(phi.value.x.array), -1)
        groups = [
            *((n, d.phi, domain.nodes_on(phi.space, self.part,
                                         faces=domain.faces_of(n, self.regions)))
              for n, d in self.driven.items() if d.layer is None),
            *((n, v, domain.nodes_in(phi.space, self.part, [n])) for n, v in self.held.items()),
        ]  # fmt: skip
        values = [value for _, value, _ in groups]
        for k, (name, value, nodes) in enumerate(groups):
            before = taken[nodes]
            clash = [j for j in np.unique(before[before >= 0]) if values[j] != value]
            for touched in domain.comm.allgather(clash):
                if touched:
                    other, its, _ = groups[touched[0]]
                    raise CaseError(
                        f"map: {name!r} at {value:g} V and {other!r} at {its:g} V touch each "
                        "other; give them one potential, or hold one of them only"
                    )
            free = nodes[before < 0]
            taken[free] = k
            phi.fix(free, value, group=name)

    def rows(self, s: System) -> None:
        """The balance of flux, and the forms that measure it."""
        domain = s.domain
        phi, v, w = s["phi"], s.test("phi"), domain.weight
        dx = domain.dx(self.regions)
        form = self.coefficient * ufl.inner(ufl.grad(phi), ufl.grad(v)) * w * dx
        self.fixed_charge = None
        if self.charge is not None:
            form -= self.charge * v * w * dx
            self.fixed_charge = s.form(self.charge * w * dx)
        self.through: dict[str, Any] = {}
        for name, driven in self.driven.items():
            if driven.layer is None:
                continue
            faces = domain.faces_of(name, self.regions)
            at = domain.wall_weight(faces=faces) * domain.ds(faces)
            form += driven.layer * (phi - driven.phi) * v * at
            self.through[name] = s.form(driven.layer * (driven.phi - phi) * at)
        s.row("phi", form)
        q = ufl.TestFunction(dfem.functionspace(self.part.mesh, ("DG", 0)))
        self.volume = s.nodal(s.form(q * w * dx))
        self._sort_cells()
        space = self.E.function_space
        self.slope = dfem.Expression(-ufl.grad(phi), space.element.interpolation_points)

    def _sort_cells(self) -> None:
        """Mark the owned cells that are pores of the host, by third, and those above it."""
        domain, mesh = self.s.domain, self.part.mesh
        n = len(self.volume)
        corners = cell_vertices(mesh)[:n]
        depth = domain.depth_of(mesh.geometry.x[corners].mean(axis=1))
        top, bottom = domain.span
        thickness = abs(top - bottom)
        tags = domain.cell_tag_array[self.part.cells[:n]]
        pore = np.isin(tags, [domain.regions[r] for r in self.pores])
        inside = pore & (depth >= 0.0) & (depth <= thickness)
        if not domain.comm.allreduce(bool(inside.any()), op=MPI.LOR):
            inside = pore  # a host without pores: the electrolyte beside it
        self.where = {
            "": inside,
            "_top": inside & (depth < thickness / 3),
            "_bottom": inside & (depth > 2 * thickness / 3),
            "above": pore & (depth < 0.0) if domain.host else np.zeros(n, bool),
        }
        self.size = (self.volume / np.maximum(self._weights(n), 1e-300)) ** (1 / domain.dim)

    def _weights(self, n: int) -> Array:
        """2 pi r in the middle of cells, or 1."""
        if not self.s.domain.axisymmetric:
            return np.ones(n)
        mesh = self.part.mesh
        return 2 * np.pi * mesh.geometry.x[cell_vertices(mesh)[:n], 0].mean(axis=1)

    # -- flux ----------------------------------------------------------------------------------

    def flow(self) -> float:
        """Largest flux through what is driven, A; before a solve an estimate (collective)."""
        if self.fluxes:
            return max(map(abs, self.fluxes.values()))
        s, comm = self.s, self.s.domain.comm
        values = [d.phi for d in self.driven.values()] + [*self.held.values()]
        n = len(self.volume)
        cells = self.coefficient.x.array[self.part.cells[:n]]
        local = np.array([self.volume.sum(), self.volume @ np.log(np.maximum(cells, 1e-300))])
        volume, logs = comm.allreduce(local, op=MPI.SUM)
        low, high = s.domain.ends
        drop = max(values) - min(values) if values else 0.0
        estimate = math.exp(logs / volume) * drop * volume / (high - low) ** 2
        if self.fixed_charge is not None:
            size = s.form(abs(self.charge) * s.domain.weight * s.domain.dx(self.regions))
            estimate = max(estimate, s.integral(size))
        return float(estimate)

    def _measure_fluxes(self) -> None:
        """Flux of each driven boundary and held region (collective)."""
        phi, comm = self.s.unknowns["phi"], self.s.domain.comm
        residual = self.s.residuals["phi"]
        for name, dofs in phi.groups.items():
            local = float(residual[dofs[dofs < owned_size(phi.space)]].sum())
            self.fluxes[name] = comm.allreduce(local, op=MPI.SUM)
        for name, form in self.through.items():
            self.fluxes[name] = self.s.integral(form)

    def _field_at_held(self, name: str) -> tuple[float, float]:
        """Largest and mean normal field on a driven boundary or held region, V/m (collective).

        From the flux of each node over its share of the surface: as good as phi itself, where the
        field of the cells beside the surface is that of half a cell away.
        """
        s, domain = self.s, self.s.domain
        phi = s.unknowns["phi"]
        n = owned_size(phi.space)
        if name in self.held:
            walls = [w for w in domain.walls if name in w and {*w} <= {*self.regions}]
            side = ("-" if walls and walls[0][0] == name else "+")
            sides = [w for w in walls if (w[0] == name) == (walls[0][0] == name)]
            form = self.coefficient(side) * phi.test(side) * domain.weight * domain.dS(sides)(
                metadata={"quadrature_degree": 2})
        else:
            faces = domain.faces_of(name, self.regions)
            form = self.coefficient * phi.test * domain.weight * domain.ds(faces)(
                metadata={"quadrature_degree": 2})
        share = s.nodal(s.form(form))
        if self.driven.get(name, Driven(0.0)).layer is not None:
            total = abs(self.fluxes[name]) / s.domain.comm.allreduce(share.sum(), op=MPI.SUM)
            return total, total
        dofs = phi.groups[name]
        dofs = dofs[dofs < n]
        dofs = dofs[share[dofs] > 0.0]
        q, a = np.abs(s.residuals["phi"][dofs]), share[dofs]
        largest = domain.comm.allreduce(float((q / a).max(initial=0.0)), op=MPI.MAX)
        both = domain.comm.allreduce(np.array([q.sum(), a.sum()]), op=MPI.SUM)
        return largest, float(both[0] / both[1]) if both[1] else math.nan

    # -- what is measured ----------------------------------------------------------------------

    def step(self, scale: float) -> Mapping[str, float]:
        """Measures of the field in the pores, and whether the fluxes add up."""
        self._measure_fluxes()
        self.E.interpolate(self.slope)
        n, dim = len(self.volume), self.s.domain.dim
        self.magnitude = np.linalg.norm(self.E.x.array.reshape(-1, dim)[:n], axis=1)
        out: dict[str, float] = {}
        for part in THIRDS:
            found = self._of(self.where[part])
            out |= {f"E_{name}{part}": found[name] for name in MEASURES}
        mean = out["E_mean"]
        inside = self.where[""]
        near = inside & (np.abs(self.magnitude - mean) <= NEAR * mean)
        out["uniformity"] = self._volume(near) / self._volume(inside)
        above = self._of(self.where["above"])["mean"]
        out["shielding"] = mean / above if above > 0.0 else math.nan
        out["enhancement"] = math.nan
        if self.tip:
            _, far = self._field_at_held(self.far)
            out["enhancement"] = self._field_at_held(self.tip)[0] / far
        total = sum(self.fluxes.values())
        if self.fixed_charge is not None:
            total += self.s.integral(self.fixed_charge)
        largest = max(map(abs, self.fluxes.values()), default=0.0)
        out["flux_balance"] = abs(total) / largest if largest else 0.0
        return out

    def _volume(self, mask: npt.NDArray[np.bool_]) -> float:
        return float(self.s.domain.comm.allreduce(float(self.volume[mask].sum()), op=MPI.SUM))

    def _of(self, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
        """Mean, 95th percentile by volume and largest |E| of some cells (collective)."""
        comm = self.s.domain.comm
        E, volume = self.magnitude[mask], self.volume[mask]
        total, moment = comm.allreduce(np.array([volume.sum(), volume @ E]), op=MPI.SUM)
        if not total > 0.0:
            return dict.fromkeys(MEASURES, math.nan)
        largest = comm.allreduce(float(E.max(initial=0.0)), op=MPI.MAX)
        low, high = 0.0, largest
        for _ in range(50):  # bisection: the ranks need not see each other's cells
            middle = 0.5 * (low + high)
            below = comm.allreduce(float(volume[middle >= E].sum()), op=MPI.SUM)
            low, high = (middle, high) if below < MOST * total else (low, middle)
        return {"mean": float(moment / total), "p95": high, "max": largest}

    def summary(self) -> Mapping[str, Any]:
        """The map in numbers, and what it cannot say."""
        inside = self.where[""]
        largest = float(self.magnitude[inside].max(initial=0.0))
        k = int(np.argmax(np.where(inside, self.magnitude, -1.0))) if inside.any() else -1
        mine = (largest, float(self.size[k]) if k >= 0 else math.nan)
        _, cell = max(self.s.domain.comm.allgather(mine))
        unit = "C" if self.kind == "electrostatics" else "A"
        unit += "" if self.s.domain.dim == 3 or self.s.domain.axisymmetric else "/m"
        return {
            "map": self.kind,
            "map_media": self.media,
            "flux": self.fluxes,
            "flux_unit": unit,
            "cell_size_at_E_max": cell,
            "wagner": self.wagner,
            "map_says": [text for _, text in self.remarks(closely=True)],
        }

    def remarks(self, *, closely: bool) -> Iterable[tuple[str, str]]:
        """Limits of a map, once, at the end."""
        if not closely:
            return
        yield "map", (
            "a map has no kinetics, no salt and no time: it says where the field concentrates, not "
            "where metal plates"
        )
        for name, found in self.wagner.items():
            even = "kinetics evens the current out" if found["Wa"] > 1.0 else "the map matters"
            yield f"map.{name}", (
                f"Wa of {name} is {found['Wa']:.3g} (i0 {found['i0']:.3g} A/m^2, film "
                f"{found['film_resistance']:.3g} ohm m^2): {even}"
            )
        if self.kind == "electrostatics":
            length = float(debye_length(self.salt, 20.0, self.temperature))
            yield "map.debye", (
                f"ions screen fields beyond the Debye length, {1e9 * length:.2g} nm at "
                f"{self.salt:g} mol/m^3 and eps_r 20: at rest eps_r of what is larger acts on no "
                "current"
            )
