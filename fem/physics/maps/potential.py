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
from fem.mesh.spaces import space_on
from fem.physics.maps import MEASURES, THIRDS
from fem.physics.maps.films import Film
from fem.physics.maps.fluxes import WallFluxes
from fem.system.part import Observer
from fem.system.system import System
from fem.theory.space_charge import debye_length
from fem.values.units import shown_length

__all__ = ["Driven", "Potential"]

Array = npt.NDArray[np.float64]

#: Deviation from the mean, as a share of it, up to which a field counts as uniform.
NEAR_SHARE = 0.2
#: Share of the drop over the cell that is left between two parts that touch without a film.
TOUCHING_SHARE = 1e-6
#: Share of the flux through a cell of one medium that round-off may leave of the sum of fluxes.
NOTHING_SHARE = 1e-12
#: Field in pores as a share of its mean below which they count as closed off: capped conductors
#: leave that much.
EMPTY_SHARE = 1e-4
#: Share of the volume from which on that is worth a remark.
WORTH_SAYING_SHARE = 1e-3
#: Share of the pores in which |E| is below `p95`.
PERCENTILE = 0.95


@dataclass(frozen=True)
class Driven:
    """A boundary that is driven.

    Attributes:
        phi: its potential, or that behind its layers, V.
        layers: region -> what layers in front of it let pass there by area, S/m2 or F/m2; 0 where
            nothing passes. Where the boundary touches other regions it is held.
    """

    phi: float
    layers: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Potential(Observer):
    r"""One potential on all regions that conduct, or on all of an electrostatic map.

        Strong:  div(s grad phi) = -rho,   s = eps_0 eps_r,  or a conductivity and rho = 0
        Edges:   phi given;  or s dphi/dn = g (phi_given - phi) behind a layer;  else insulated
        Films:   g (phi_1 - phi_2) through a film between two regions
        Weak:    (s grad phi, grad v) + <g (phi - phi_given), v> + <g [phi], [v]> - (rho, v) = 0 [A]

    n points out. P1. Solids under films have a potential of their own, `phi_coated`. An
    electrostatic row is a charge, in coulomb; over 1 s it is a current as all rows are. Conductors
    that float are regions of large s; those that are held keep their phi.

    Flux of a boundary: what it supplies to the map, from the residual of its rows: the current
    that enters there, A, or the charge on it, C (2D: per metre). All together add up to nothing, or
    to minus the fixed charge.

    Attributes:
        kind: of the map.
        regions: in which phi is solved for.
        coefficient: s, a field constant on each cell. charge: rho, the same, or None.
        driven: boundary -> what drives it. held: region -> its potential, V.
        coated: solid -> what its film lets pass by area, S/m2 or F/m2; 0 where nothing passes.
        conductors: regions whose coefficient may be capped.
        liquids: regions against which films lie.
        pores: regions whose field is measured. porous: the same, as far as they are in the host.
        tip: boundary or region whose largest field is compared with that at the boundary `far`.
        media: what the summary says of each region. wagner: of surfaces that could plate.
        salt: mol/m3. temperature: K. solvent: eps_r of the electrolyte, for the Debye length.
    """

    kind: str
    regions: tuple[str, ...]
    coefficient: Any
    charge: Any
    driven: Mapping[str, Driven]
    held: Mapping[str, float]
    coated: Mapping[str, float]
    conductors: tuple[str, ...]
    liquids: tuple[str, ...]
    pores: tuple[str, ...]
    porous: tuple[str, ...] = ()
    tip: str = ""
    far: str = ""
    media: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    wagner: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    salt: float = 1000.0
    temperature: float = 298.15
    solvent: float = 20.0
    provides, needs = ("phi", "E"), ()

    # -- rows ----------------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """The potential, and its field on each cell."""
        self.s, domain = s, s.domain
        plain = tuple(n for n in self.regions if n not in self.coated)
        self.part = domain.subdomain(plain)
        self.potentials = [s.add("phi", self.part, potential=True)]
        if self.coated:
            below = domain.subdomain(tuple(self.coated))
            self.potentials.append(s.add("phi_coated", below, potential=True))
        self.E = s.memory("E", self.part, per="cell", shape=(domain.dim,))
        for phi in self.potentials:
            phi.definite = True
        s.hints.flow = self.flow
        self.fluxes: dict[str, float] = {}
        for phi in self.potentials:
            self._hold(phi)

    def _hold(self, phi: Any) -> None:
        """Hold what has a potential; nobody is held twice (collective).

        Raises:
            CaseError: two that are held at different potentials touch each other.
        """
        domain, part = self.s.domain, phi.part
        taken = np.full(len(phi.value.x.array), -1)
        groups = [
            *((n, d.phi, domain.nodes_on(phi.space, part, faces=domain.faces_of(
                n, [r for r in part.regions if r not in d.layers])))
              for n, d in self.driven.items()),
            *((n, v, domain.nodes_in(phi.space, part, [n]))
              for n, v in self.held.items() if n in part.regions),
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
        domain, w = s.domain, s.domain.weight
        self.enclosed = None
        if self.charge is not None:
            self.enclosed = s.form(self.charge * w * domain.dx(self.regions))
        self.through: dict[str, list[tuple[str, Any]]] = {}
        for unknown in self.potentials:
            phi, v, regions = unknown.value, unknown.test, unknown.part.regions
            dx = domain.dx(regions)
            form = self.coefficient * ufl.inner(ufl.grad(phi), ufl.grad(v)) * w * dx
            if self.charge is not None:
                form -= self.charge * v * w * dx
            for name, driven in self.driven.items():
                for region, passes in driven.layers.items():
                    faces = domain.faces_of(name, [region] if region in regions else [])
                    if faces and passes > 0.0:
                        inward = passes * (driven.phi - phi) * domain.wall_weight(faces=faces)
                        form -= inward * v * domain.ds(faces)
                        self.through.setdefault(name, []).append(
                            (unknown.name, s.form(inward * v * domain.ds(faces))))
            s.row(unknown.name, form)
        self._films(s)
        dx = domain.dx(self.part.regions)
        q = ufl.TestFunction(space_on(self.part.mesh, ("DG", 0)))
        self.volume = s.nodal(s.form(q * w * dx))
        self._sort_cells()
        space = self.E.function_space
        points = space.element.interpolation_points
        self.slope = dfem.Expression(-ufl.grad(s["phi"]), points)
        self.walls = [
            WallFluxes(s, phi, self.coefficient, self.charge, [*self.driven])
            for phi in self.potentials
        ]

    def _films(self, s: System) -> None:
        """Flux between solids under films and the regions around them."""
        domain = s.domain
        self.films: list[Film] = []
        if not self.coated:
            return
        phi, below = self.potentials
        low, high = domain.ends

        largest = np.inf if self._short() else self._best_of_others()

        def touching(inner: Any, outer: Any) -> Any:
            """Solids that touch: a layer of the worse one, so thin that it drops nothing.

            It need not be better than what its flux must pass elsewhere: digits of phi would drown.
            """
            least = np.minimum(*(self.coefficient.x.array[cells] for cells in (inner, outer)))
            return np.minimum(least, largest) / (TOUCHING_SHARE * (high - low))

        for wall in domain.walls:
            under = [n for n in wall if n in self.coated]
            if len(under) != 1 or not {*wall} <= {*self.regions}:
                continue
            beside = wall[wall[0] == under[0]]
            g = self.coated[under[0]] if beside in self.liquids else touching
            if callable(g) or g > 0.0:
                self.films.append(Film.of(domain, wall, below, phi, g))
        s.reactions += self.films

    def _short(self) -> bool:
        """Conductors that touch join two driven boundaries or held regions of unlike potential."""
        domain, metal = self.s.domain, {*self.conductors}
        joined = [w for w in domain.walls if {*w} <= metal]
        joined += [(n, r) for n in self.driven for _, r in domain.faces_of(n, metal)]
        phi = dict(self.held) | {n: d.phi for n, d in self.driven.items()}
        reached = {name: {name} for name in (*metal, *phi)}
        for a, b in joined:
            both = reached[a] | reached[b]
            reached |= dict.fromkeys(both, both)
        return any(len({phi[n] for n in group if n in phi}) > 1 for group in reached.values())

    def _best_of_others(self) -> float:
        """Largest coefficient of what is no conductor; inf if there is nothing (collective)."""
        domain = self.s.domain
        others = {*self.regions} - {*self.conductors}
        cells = self.coefficient.x.array[domain.in_regions(others)]
        best = domain.comm.allreduce(float(cells.max(initial=0.0)), op=MPI.MAX)
        return best if best > 0.0 else math.inf

    def _sort_cells(self) -> None:
        """Mark the owned cells that are pores of the host, by third, and those above it."""
        domain, mesh = self.s.domain, self.part.mesh
        n = len(self.volume)
        corners = cell_vertices(mesh)[:n]
        depth = domain.depth_of(mesh.geometry.x[corners].mean(axis=1))
        top, bottom = domain.span
        thickness = abs(top - bottom)
        pore, porous = (
            domain.in_regions(found)[self.part.cells[:n]] for found in (self.pores, self.porous)
        )
        inside = (pore | porous) & (depth >= 0.0) & (depth <= thickness)
        self.has_pores = domain.comm.allreduce(bool(inside.any()), op=MPI.LOR)
        self.where = {
            "": inside if self.has_pores else pore,  # else the electrolyte beside the host
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
        if "phi" in self.s.residuals:
            self._measure_fluxes()
            return max(map(abs, self.fluxes.values()))
        s, comm = self.s, self.s.domain.comm
        values = [d.phi for d in self.driven.values()] + [*self.held.values()]
        cells = self.coefficient.x.array[self.part.cells[: len(self.volume)]]
        local = np.array([self.volume.sum(), self.volume @ np.log(cells)])
        volume, logs = comm.allreduce(local, op=MPI.SUM)
        low, high = s.domain.ends  # as if the geometric mean of all media filled the cell
        drop = max(values) - min(values) if values else 0.0
        estimate = math.exp(logs / volume) * drop * volume / (high - low) ** 2
        if self.enclosed is not None:
            size = s.form(abs(self.charge) * s.domain.weight * s.domain.dx(self.regions))
            estimate = max(estimate, s.integral(size))
        self.estimate = float(estimate)
        return self.estimate

    def _measure_fluxes(self) -> None:
        """Flux of each driven boundary and held region (collective)."""
        comm = self.s.domain.comm
        self.fluxes = dict.fromkeys([*self.driven, *self.held], 0.0)
        for phi in self.potentials:
            residual = self.s.residuals[phi.name]
            for name, dofs in phi.groups.items():
                local = float(residual[dofs[dofs < owned_size(phi.space)]].sum())
                self.fluxes[name] += comm.allreduce(local, op=MPI.SUM)
        for name, forms in self.through.items():
            local = sum(float(self.s.nodal(form).sum()) for _, form in forms)
            self.fluxes[name] += comm.allreduce(local, op=MPI.SUM)

    def _field_at_held(self, name: str) -> tuple[float, float]:
        """Largest and mean normal field on a driven boundary or held region, V/m (collective).

        From the flux of each node over its share of the surface: as good as phi itself, where the
        field of the cells beside the surface is that of half a cell away.
        """
        s, domain = self.s, self.s.domain
        phi = self.potentials[0]
        n, regions = owned_size(phi.space), phi.part.regions
        exact, w = {"quadrature_degree": 2}, domain.weight
        if name in self.held:  # as the regions around it see it
            form = sum(
                self.coefficient(side) * phi.test(side) * w * domain.dS([wall])(metadata=exact)
                for wall in domain.walls if name in wall and {*wall} <= {*regions}
                for side in ("-" if wall[0] == name else "+")
            )
        else:
            faces = domain.faces_of(name, regions)
            form = self.coefficient * phi.test * w * domain.ds(faces)(metadata=exact)
        share = s.nodal(s.form(form))
        flux = np.zeros(n)
        mine = phi.groups.get(name, np.empty(0, dtype=np.int32))
        mine = mine[mine < n]
        flux[mine] = s.residuals["phi"][mine]
        flux += sum(s.nodal(form) for row, form in self.through.get(name, ()) if row == "phi")
        seen = share > 0.0
        for group, dofs in phi.groups.items():  # nodes that another one holds are its own
            if group != name:
                seen[dofs[dofs < n]] = False
        q, a = np.abs(flux[seen]), share[seen]
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
        near = inside & (np.abs(self.magnitude - mean) <= NEAR_SHARE * mean)
        out["uniformity"] = self._volume(near) / self._volume(inside)
        self.empty = self._volume(inside & (self.magnitude < EMPTY_SHARE * mean)) / (
            self._volume(inside))
        above = self._of(self.where["above"])["mean"]
        out["shielding"] = mean / above if above > 0.0 and self.has_pores else math.nan
        out["enhancement"] = math.nan
        if self.tip:
            _, far = self._field_at_held(self.far)
            out["enhancement"] = self._field_at_held(self.tip)[0] / far
        total = sum(self.fluxes.values())
        if self.enclosed is not None:
            total += self.s.integral(self.enclosed)
        largest = max(map(abs, self.fluxes.values()))
        gap = abs(total) if abs(total) > NOTHING_SHARE * self.estimate else 0.0
        out["flux_balance"] = gap / largest if gap else 0.0
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
            low, high = (middle, high) if below < PERCENTILE * total else (low, middle)
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
            "wall_flux": self._through_walls(),
            "cell_size_at_E_max": cell,
            "wagner": self.wagner,
            "map_says": [text for _, text in self.remarks(closely=True)],
        }

    def _through_walls(self) -> dict[str, dict[str, float]]:
        """`solid/other` -> flux into the solid and out of it (collective)."""
        found: dict[str, dict[str, float]] = {}
        for walls in self.walls:
            found |= walls()
        for film in self.films:
            flow = film.flow()
            local = np.array([-flow[flow < 0.0].sum(), flow[flow > 0.0].sum()])
            into, away = self.s.domain.comm.allreduce(local, op=MPI.SUM)
            found[film.name] = {"in": float(into), "out": float(away)}
        return found

    def remarks(self, *, closely: bool) -> Iterable[tuple[str, str]]:
        """Limits of a map, once, at the end."""
        if not closely:
            return
        yield "map", (
            "a map has no kinetics, no salt and no time: it says where the field concentrates, not "
            "where metal plates"
        )
        if not self.has_pores:
            yield "map.host", (
                "the host has no pores that are measured: E_mean, E_p95, E_max and uniformity are "
                "of the electrolyte beside it, and there is no shielding"
            )
        if self.empty > WORTH_SAYING_SHARE:
            yield "map.pores", (
                f"{100 * self.empty:.3g} % of the measured volume has next to no field (below "
                f"{EMPTY_SHARE:g} of the mean), as pores that are closed off or shielded: E_mean "
                "and uniformity count it"
            )
        for name, found in self.wagner.items():
            even = "kinetics evens the current out" if found["Wa"] > 1.0 else "the map matters"
            yield f"map.{name}", (
                f"Wa of {name} is {found['Wa']:.3g} (i0 {found['i0']:.3g} A/m^2, film "
                f"{found['film_resistance']:.3g} ohm m^2): {even}"
            )
        if self.kind == "electrostatics":
            length = float(debye_length(self.salt, self.solvent, self.temperature))
            yield "map.debye", (
                f"ions screen fields beyond the Debye length, {shown_length(length, 2)} at "
                f"{self.salt:g} mol/m^3 and eps_r {self.solvent:g}: at rest eps_r of what is "
                "larger acts on no current"
            )
