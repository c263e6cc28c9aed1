"""Electrodes: the walls where electrons and ions meet, with kinetics, film and plated metal."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import ufl

from fem.compat import MPI, dfem
from fem.mesh.domain import Subdomain, on_side
from fem.setup import kinetics
from fem.setup.electrode import Electrode
from fem.system.facets import WallReaction
from fem.system.nodal import CELL
from fem.system.surface import Surface
from fem.system.system import System

__all__ = ["Interface", "Skin"]

#: Most steps in the search for film currents, and change of a film's voltage that ends it, V.
MAX_FILM_STEPS, FILM_TOLERANCE = 60, 1e-10


class Skin(Protocol):
    """A film of another physics on walls: what it resists, and what it takes."""

    def lies_on(self, e: Electrode) -> bool:
        """True if it lies on an electrode, or on some of its walls."""

    def resistance(self, e: Electrode, plus: str, minus: str) -> Any:
        """R_film besides that of the electrode itself, ohm m2, UFL."""

    def current(
        self, e: Electrode, plus: str, minus: str, drive: Any, eta: Any, metal: Any
    ) -> Any:
        """Current density that makes no metal, A/m2: of phi_s - phi_l, eta and i_metal, UFL."""


@dataclass(frozen=True)
class Interface:
    r"""Reaction on resolved walls and on electrodes at the edge of the mesh.

        i_n = law(eta),  eta = phi_s - phi_l - U - i_n R_film,  U = 0 for bulk metal
        <i_n, v_s> enters phi_s,  -<i_n, v_l> enters phi_l                      [A]
        dq/dt = -i_n (less side reactions) - dead: plated charge per real area, C/m2   [A]

    Wall integrals are lumped at the nodes, so that current, coverage and film current at a node
    belong together exactly. Walls with a nucleation overpotential plate below
    -eta_nuc (1 - coverage), coverage = 1 - exp(-q/q_cov), and strip only what is there.

    Attributes:
        electrodes: all surfaces that react.
        state: carry q (transient studies); without it walls keep their initial coverage.
        initial_charge: plated charge at the start, C/m2.
        charge_scale: typical q_cov, C/m2, for error control.
        thickness: of dense metal per plated charge density, m per C/m2.
        skins: films of other physics, see `lay`.
    """

    electrodes: tuple[Electrode, ...]
    state: bool = True
    initial_charge: float = 0.0
    charge_scale: float = 100.0
    thickness: float = 0.0
    skins: list[Skin] = field(default_factory=list)
    needs: tuple[str, ...] = ("phi_l", "c_lagged")

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""
        return ("q", "i_n", "walls")

    @property
    def plating(self) -> tuple[Electrode, ...]:
        """The electrodes on which metal is followed: all but the counter electrode."""
        return tuple(e for e in self.electrodes if e.counts)

    def declare(self, s: System) -> None:
        """Add q on the wall nodes, and the film currents."""
        s.define("walls", self)
        self.introduce(s)
        if not self.plating:
            return
        walls = [w for e in self.plating for w in e.walls]
        faces = [f for e in self.plating for f in e.faces]
        layer = s.domain.wall_layer(walls, faces)
        if self.state:
            q = s.add("q", layer, differential=True, scale=self.charge_scale, solver="diagonal")
            q.relative = True
            on = np.zeros(len(q.value.x.array), dtype=bool)
            on[s.domain.nodes_on(q.space, layer, walls=walls, faces=faces)] = True
            q.value.x.array[on] = self.initial_charge
            q.fixed.append(np.flatnonzero(~on).astype(np.int32))
            q.nodal = True
            # Metal lowers the barrier to more metal. With q of the same time a long step may have
            # several solutions or none, and Newton's method goes in circles.
            lagged = s.memory("q_lagged", layer)
            s.preparers.append(lambda: lagged.x.array.__setitem__(slice(None), q.value.x.array))
        else:
            s.define("q", dfem.Constant(s.domain.mesh, self.initial_charge), layer)
            s.define("q_lagged", s["q"], layer)
        s.layer = layer
        s.memory("i_n", layer)

    def introduce(self, s: System) -> None:
        """Add the electrodes to the surfaces that have fields, and the currents of their films."""
        s.surfaces += [
            Surface(e.name, (*e.walls, *e.faces), functools.partial(self.fields, s, e))
            for e in self.electrodes
        ]
        for e in (e for e in self.electrodes if e.film_resistance is not None):
            self._declare_film(s, e)

    def lay(self, s: System, skin: Skin) -> None:
        """Lay a film of another physics on the electrodes, before rows are written."""
        self.skins.append(skin)
        for e in (e for e in self.electrodes if skin.lies_on(e)):
            self._declare_film(s, e)

    def _declare_film(self, s: System, e: Electrode) -> None:
        """Film currents. On walls each solid cell has its own: solids that meet at nodes differ."""
        if e.walls and _film(e, "+") not in s.memories:
            s.memory(_film(e, "+"), s.domain.wall_layer(e.walls, side="+"), per="corner")
        if e.faces and _film(e, "") not in s.memories:
            s.memory(_film(e, ""), s.domain.wall_layer((), e.faces))

    def resistance(self, e: Electrode, plus: str, minus: str) -> Any:
        """R_film, ohm m2, UFL; None without a film."""
        own = None if e.film_resistance is None else on_side(e.film_resistance, plus)
        for skin in (k for k in self.skins if k.lies_on(e)):
            more = skin.resistance(e, plus, minus)
            own = more if own is None else own + more
        return own

    def overpotential(self, s: System, e: Electrode, plus: str, minus: str) -> Any:
        """phi_s - phi_l - U + shifts before the film takes its share, V."""
        return self._drop(s, e, plus, minus) + self._shifts(s, e, plus, minus)

    @staticmethod
    def _shifts(s: System, e: Electrode, plus: str, minus: str) -> Any:
        """Sum of the labelled shifts (`System.shift`), V; none at the counter electrode."""
        solid, liquid = (functools.partial(on_side, side=side) for side in (plus, minus))
        return sum((value(solid, liquid) for value in s.shifts.values() if e.counts), 0.0)

    @staticmethod
    def _drop(s: System, e: Electrode, plus: str, minus: str) -> Any:
        """phi_s - phi_l - U, V."""
        phi_l = on_side(s["phi_l"], minus)
        if e.potential == "field":
            return on_side(s["phi_s"], plus) - phi_l
        if e.potential == "ground":
            return -phi_l - e.rest
        return on_side(s.voltage, minus) - phi_l

    def current_density(self, s: System, e: Electrode, on_wall: bool) -> tuple[Any, Any]:
        """i_n on walls (inside the mesh) or faces (at its edge), and the part that makes no metal.

        Both in A/m2; the second is the side reaction of a bare wall (`kinetics.side_reaction`),
        what films of other physics take, and the share that the name `losses` takes of the rest.
        """
        _, eta, i_n, _, side = self._solved(s, e, on_wall)
        passed, losses = side(eta), s.values.get("losses")
        return i_n, passed + losses.side(i_n - passed) if losses and e.counts else passed

    def conditions(self, s: System, e: Electrode, on_wall: bool) -> tuple[Any, Any, Any]:
        """phi_s - phi_l, V, that less the drop through films, and what makes metal, A/m2 (UFL)."""
        drop, eta, _, metal, _ = self._solved(s, e, on_wall)
        return drop, eta, metal(eta)

    def _solved(
        self, s: System, e: Electrode, on_wall: bool
    ) -> tuple[Any, Any, Any, Callable[[Any], Any], Callable[[Any], Any]]:
        """phi_s - phi_l, eta and i_n behind films, the laws of eta: what makes metal, the rest."""
        plus, minus = ("+", "-") if on_wall else ("", "")
        T = on_side(s["T"], minus)
        c = on_side(s.values.get("c_at_walls", s["c_lagged"]), minus)
        if "c_of_solids" in s.values:  # there c itself is 0
            c = c + on_side(s["c_of_solids"], minus)
        i0 = e.i0(c, T)
        alpha_a, alpha_c = on_side(e.alpha_a, plus), on_side(e.alpha_c, plus)
        bare = not e.covered and e.counts
        skins = [k for k in self.skins if k.lies_on(e)]
        drop = self._drop(s, e, plus, minus)
        drive = self.overpotential(s, e, plus, minus)
        free = s.values.get("free_share") if e.counts else None

        def dense(eta: Any) -> Any:
            i_n = e.law(eta, i0, alpha_a, alpha_c, T)
            return i_n if free is None else on_side(free, minus) * i_n

        if bare:
            theta = kinetics.coverage(on_side(s["q"], minus), on_side(e.q_cov, plus))
            slope = kinetics.linear_kinetics(1.0, i0, alpha_a, alpha_c, T)
            barrier = self._barrier(s, e, plus, minus)

        def metal(eta: Any) -> Any:
            return kinetics.wall(dense, eta, barrier, theta) if bare else dense(eta)

        def side(eta: Any) -> Any:
            out = kinetics.side_reaction(eta, slope, theta) if bare else 0.0
            for skin in skins:
                out = out + skin.current(e, plus, minus, drop, eta, metal(eta))
            return out

        def law(eta: Any) -> Any:
            return metal(eta) + side(eta) if bare or skins else metal(eta)

        R = self.resistance(e, plus, minus)
        if R is None:
            return drop, drive, law(drive), metal, side
        last = on_side(s[_film(e, plus)], plus)
        i_n = kinetics.through_film(law, drive, R, last)
        return drop, drive - R * i_n, i_n, metal, side

    @staticmethod
    def _barrier(s: System, e: Electrode, plus: str, minus: str) -> Any:
        """Overpotential that plating on the bare share of a foreign wall needs, V."""
        lagged = kinetics.coverage(on_side(s["q_lagged"], minus), on_side(e.q_cov, plus))
        return on_side(e.eta_nuc, plus) * (1 - lagged)

    def pieces(self, s: System, e: Electrode) -> list[tuple[Any, Any, Any, str, str]]:
        """(i_n, its side reaction, (weight, measure), solid's side, electrolyte's side)."""
        return [
            (*self.current_density(s, e, bool(minus)), where, "+" if minus else "", minus)
            for minus, *where in s.domain.lumped_on(e.walls, e.faces)
        ]

    def fields(self, s: System, e: Electrode, on_wall: bool) -> dict[str, Any]:
        """Fields of an electrode at its walls (inside the mesh) or faces, by name."""
        plus, minus = ("+", "-") if on_wall else ("", "")
        out: dict[str, Any] = {}
        if e.potential != "field":
            out["phi_s"] = on_side(s.voltage, minus) if e.potential == "driven" else ufl.as_ufl(0.0)
        out["i_n"], _ = self.current_density(s, e, on_wall)
        out["eta"] = self.overpotential(s, e, plus, minus)
        R = self.resistance(e, plus, minus)
        if R is not None:
            out["eta"] = out["eta"] - out["i_n"] * R
        if e.counts:
            q = out["q"] = on_side(s["q"], minus)
            share = kinetics.coverage(q, on_side(e.q_cov, plus))
            out["coverage"] = ufl.as_ufl(1.0) if e.covered else share
            out["film_thickness"] = q * self.thickness
        return out

    def rows(self, s: System) -> None:
        """Reaction current in the rows of phi_s, phi_l and q, and in the cell current."""
        for electrons in ("field", "driven", "ground"):
            here = tuple(e for e in self.electrodes if e.potential == electrons)
            if not here:
                continue
            metal, storage = (
                functools.partial(self._integral, s, here, stores) for stores in (False, True)
            )
            integrals, rows = {"i_n": metal}, {s.values.get("metal_row", "phi_l"): ("i_n", -1.0)}
            if electrons == "field":
                rows["phi_s"] = "i_n", 1.0
            if electrons != "ground":
                rows[CELL] = "i_n", 1.0
            if electrons != "ground" and self.state:
                integrals["storage"], rows["q"] = storage, ("storage", 1.0)
            layer = self._opposite(s) if electrons == "ground" else s.layer
            assert layer is not None
            s.reactions.append(WallReaction(
                s, electrons, layer, [w for e in here for w in e.walls],
                [f for e in here for f in e.faces], integrals, rows, electrons,
            ))
        s.ports.contribute("heat", functools.partial(self._reversible, s))
        for part in dict.fromkeys(part for e in self.electrodes for part in self._spends(s, e)):
            s.reports.spend(part, functools.partial(self._spending, s, part))
        self._report(s)
        self.remember_films(s)

    def _report(self, s: System) -> None:
        """Currents of all electrodes for the books, and the metal that loses its contact."""
        stranded: Any = 0
        for e in self.electrodes:
            for i_n, side, (weight, measure), _, minus in self.pieces(s, e):
                if not e.counts:
                    s.reports.flow("counter", i_n * weight * measure)
                    continue
                s.reports.flow("cell", i_n * weight * measure)
                stranded += self._dead(s, i_n - side, minus) * weight * measure
                beside = "losses" in s.values or any(k.lies_on(e) for k in self.skins)
                if not e.covered or beside:
                    s.reports.flow("side", side * weight * measure)
                if e.potential == "driven":
                    s.reports.flow("driven", i_n * weight * measure)
        if "losses" in s.values and self.plating and self.state:
            form = s.form(stranded)
            s.reports.ledgers["dead"] = lambda: s.integral(form)

    def _reversible(self, s: System, v: Any) -> Any:
        """<i_n T dU/dT, v> of all electrodes, W."""
        total: Any = 0
        for e in self.electrodes:
            for i_n, _, (weight, measure), _, minus in self.pieces(s, e):
                heat = i_n * on_side(s["T"], minus) * s["dU_dT"]
                total = total + heat * weight * on_side(v, minus) * measure
        return total

    def _spends(self, s: System, e: Electrode) -> tuple[str, ...]:
        """Parts of the cell voltage (`Reports.spend`) that an electrode takes."""
        side, (plus, minus) = "" if e.counts else "_counter", ("+", "-") if e.walls else ("", "")
        film = self.resistance(e, plus, minus) is not None
        parts = ["kinetic_plating" if e.counts else "kinetic_counter", *[f"film{side}"] * film]
        return (
            *parts, *["nucleation"] * (e.counts and not e.covered),
            *["shift"] * bool(e.counts and s.shifts),
        )

    def _spending(self, s: System, part: str, v: Any) -> Any:
        """A part of <i_n (phi_s - phi_l), v>, W: what the film, the barrier or the rest takes.

            film R i_n^2,   nucleation -i_m b,   shift -i_n (sum of the shifts),
            kinetic i_n (phi_s - phi_l - U + shifts - R i_n) + i_m b

        with i_m <= 0 the current that plates, without side reactions, and b its barrier.
        """
        total: Any = 0
        for e in (e for e in self.electrodes if part in self._spends(s, e)):
            for i_n, side, (weight, measure), plus, minus in self.pieces(s, e):
                R = self.resistance(e, plus, minus)
                power = 0.0 if R is None else R * i_n * i_n
                if part == "shift":
                    power = -i_n * self._shifts(s, e, plus, minus)
                elif not part.startswith("film"):
                    held: Any = 0.0
                    if "nucleation" in self._spends(s, e):
                        plating = ufl.min_value(i_n - side, 0.0)
                        held = -plating * self._barrier(s, e, plus, minus)
                    drop = self.overpotential(s, e, plus, minus)
                    power = held if part == "nucleation" else i_n * drop - power - held
                total = total + power * weight * on_side(v, minus) * measure
        return total

    def _integral(self, s: System, here: tuple[Electrode, ...], stores: bool, v: Any) -> Any:
        """<i_n, v>, or what the row of q says, <dq/dt + i_n - side reactions, v>, A."""
        total: Any = 0
        for e in here:
            for i_n, side, (weight, measure), _, minus in self.pieces(s, e):
                flow = i_n
                if stores:
                    flow = on_side(s.ddt(s["q"]), minus) + i_n - side
                    flow = flow + self._dead(s, i_n - side, minus)
                total = total + flow * weight * on_side(v, minus) * measure
        return total

    def _dead(self, s: System, metal: Any, minus: str) -> Any:
        """Metal on a wall that loses its contact, A/m2, by the name `losses` if one is there."""
        losses = s.values.get("losses")
        return losses.dead(metal, on_side(s["q"], minus)) if losses else ufl.as_ufl(0.0)

    def _opposite(self, s: System) -> Subdomain:
        """The cells along the counter electrode."""
        faces = [f for e in self.electrodes if not e.counts for f in e.faces]
        layer = s.domain.wall_layer((), faces)
        s.parts.append(layer)
        return layer

    def remember_films(self, s: System) -> None:
        """At each iterate the film current of a node is brought to its present i_n.

        i = law(drive - R i) has one solution, and the sign of i - i_last tells on which side of
        i_last it lies. Newton's steps are kept between what is known to be too little and too much:
        where a law has a kink they go round it otherwise.
        """
        jobs = []
        for e in self.electrodes:
            for i_n, _, (weight, measure), plus, minus in self.pieces(s, e):
                R = self.resistance(e, plus, minus)
                if R is None:
                    continue
                film = s.memories[_film(e, plus)]
                v = weight * on_side(ufl.TestFunction(film.function_space), plus)
                areas = s.nodal(s.form(v * measure))
                areas = np.where(areas > 0.0, areas, np.inf)
                resistance = s.form(R * v * measure)
                # That of the electrode itself stays; films of other physics grow.
                still = not any(k.lies_on(e) for k in self.skins)
                R = s.nodal(resistance) / areas if still else resistance
                jobs.append((film, s.form(i_n * v * measure), areas, R))

        def refresh() -> None:
            for film, current, areas, R in jobs:
                if not isinstance(R, np.ndarray):
                    R = s.nodal(R) / areas
                last = film.x.array[: len(areas)].copy()
                low, high = np.full((2, len(areas)), [[-np.inf], [np.inf]])
                for _ in range(MAX_FILM_STEPS):
                    new = s.nodal(current) / areas
                    low, high = np.where(new > last, last, low), np.where(new < last, last, high)
                    out = np.isfinite(high - low) & ((new <= low) | (new >= high))
                    new[out] = 0.5 * (low[out] + high[out])
                    moved = float(np.abs(R * (new - last)).max(initial=0.0))
                    film.x.array[: len(areas)] = last = new
                    film.x.scatter_forward()
                    if s.domain.comm.allreduce(moved, op=MPI.MAX) <= FILM_TOLERANCE:
                        break

        if jobs:
            s.refreshers.append(refresh)


def _film(e: Electrode, plus: str) -> str:
    """Name of the film current of an electrode's walls or faces."""
    return f"film.{e.name}.{'walls' if plus else 'faces'}"
