"""Films on walls: their thickness, what they do to the kinetics under them, and their books."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ufl

from fem.base.constants import FARADAY
from fem.compat import MPI, dfem
from fem.physics.sei.laws import Crack, Film, State
from fem.setup.electrode import Electrode
from fem.system.facets import WallReaction
from fem.system.ledger import Ledger
from fem.system.part import Event, Observer
from fem.system.system import System
from fem.values.properties import number, varies

__all__ = ["Coat", "Films", "at_places"]

#: Share of the smallest pore or fibre above which a film moves the walls; here they stand still.
MAX_FILM_SHARE = 0.1
#: Thickness, m, below which errors of a film count as those of one so thick.
MIN_SCALE = 1e-9
#: Share of the tolerance of a step that the error of a film may take: a film only grows, so its
#: errors add up. All laws then end within 1e-3 of their closed forms at the default tolerance.
FILM_TOLERANCE_SHARE = 0.04
#: Share of the charge that has moved below which what was plated is round-off.
LEAST_PLATED = 1e-6
#: Share of the solvent up to which a step may take it; steps end within as much below it.
ALL_SOLVENT = 1.001


@dataclass(frozen=True)
class Coat:
    """A film and where it lies.

    Attributes:
        film: its laws.
        L0: thickness at the start, m, a number or a property of place.
        thinnest: the least of it.
        surfaces: solid regions, and `collector`.
        solvent: what the cell holds for it, mol (2D: mol/m); None where nobody says.
    """

    film: Film
    L0: Any
    thinnest: float
    surfaces: tuple[str, ...]
    solvent: float | None


class Films(Observer):
    r"""Thickness of films on walls, a number a wall node, with the kinetics under them.

        <(n F/V) (dL/dt + r L) + i_sei, v> = 0            row of L_sei, A, lumped at wall nodes
        i_n = i_metal + i_side + i_sei,   R_film = rho L  (`fem.physics.walls` solves for i_n)

    i_sei stands among the side reactions of the wall: it takes metal ions from the electrolyte and
    electrons from the solid, and makes no metal.

    Args:
        coats: the films; of one surface there is one.
        grow: thickness is followed; else it stays that of the start.
        said: warnings.
    """

    provides: tuple[str, ...] = ("L_sei",)
    needs: tuple[str, ...] = ("walls", "phi_l", "circuit", "stock")

    def __init__(self, coats: tuple[Coat, ...], grow: bool, said: tuple[str, ...] = ()):
        self.coats, self.grow, self.said = coats, grow, said
        self.makes = (
            "sei_thickness", "sei_thickest", "sei_charge", "sei_broken", "solvent_used",
            "solvent_share", "sei", "lithium",
        ) if grow else ()

    # -- where ---------------------------------------------------------------------------------

    def _places(self, coat: Coat, e: Electrode) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Walls and faces of an electrode under a film."""
        walls = tuple(w for w in e.walls if w[0] in coat.surfaces)
        return walls, tuple(f for f in e.faces if f[0] in coat.surfaces)

    def lies_on(self, e: Electrode) -> bool:
        """Some film lies on an electrode."""
        return any(any(self._places(coat, e)) for coat in self.coats)

    def _here(self, e: Electrode, on_wall: bool) -> list[tuple[Coat, Any]]:
        """The films on walls (or faces) of an electrode, each with its mask (None: everywhere)."""
        out = []
        for coat in self.coats:
            walls, faces = self._places(coat, e)
            if not (walls if on_wall else faces):
                continue
            partly = on_wall and len(walls) < len(e.walls)
            mask = self.s.domain.field(dict.fromkeys(coat.surfaces, 1.0)) if partly else None
            out.append((coat, mask))
        return out

    def _sum(self, e: Electrode, plus: str, term: Any) -> Any:
        """Sum of a term over the films on an electrode, each where it lies."""
        total: Any = 0.0
        for coat, mask in self._here(e, bool(plus)):
            value = term(self.written[coat.surfaces])
            if mask is not None:  # elsewhere there may be no film at all to divide by
                value = ufl.conditional(ufl.gt(mask(plus), 0.5), value, 0.0)
            total = total + value
        return total

    # -- what the walls ask --------------------------------------------------------------------

    def resistance(self, e: Electrode, plus: str, minus: str) -> Any:
        """R_film, ohm m2, UFL."""
        L = _side(self.s["L_sei"], minus)
        return self._sum(e, plus, lambda film: film.resistance(L))

    def current(
        self, e: Electrode, plus: str, minus: str, drive: Any, eta: Any, metal: Any
    ) -> Any:
        """i_sei, A/m2, UFL.

        Args:
            e: the electrode.
            plus: side of the solid.
            minus: side of the electrolyte.
            drive: phi_s - phi_l, V.
            eta: that less the drop through the film.
            metal: current density that makes metal, A/m2.
        """
        L, T = _side(self.s["L_sei"], minus), _side(self.s["T"], minus)
        at = State(drive, eta, L, T)
        return self._sum(e, plus, lambda film: film.current(at, metal))

    # -- equations -----------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add the thickness on wall nodes, and lie down on the walls."""
        self.s = s
        # As constants of a form numbers may change without code being made anew.
        self.written = {c.surfaces: _in_forms(s, c.film) for c in self.coats}
        thinnest = min(coat.thinnest for coat in self.coats)
        layer = s.layer
        assert layer is not None
        if self.grow:
            L = s.add(
                "L_sei", layer, differential=True, scale=max(thinnest, MIN_SCALE), positive=True,
                solver="diagonal",
            )
            L.relative, L.tolerance_share = True, FILM_TOLERANCE_SHARE
            function, space = L.value, L.space
        else:
            function = s.memory("L_sei", layer)
            space = function.function_space
        bare = np.ones(len(function.x.array), dtype=bool)
        for coat in self.coats:
            for e in s["walls"].plating:
                walls, faces = self._places(coat, e)
                on = s.domain.nodes_on(space, layer, walls=walls, faces=faces)
                places = s.domain.places(space.tabulate_dof_coordinates()[on])
                function.x.array[on] = at_places(coat.L0, places)
                bare[on] = False
        if self.grow:
            L.fixed.append(np.flatnonzero(bare).astype(np.int32))
            L.present = lambda: ~bare[: len(L.owned)]
        s["walls"].lay(s, self)

    def rows(self, s: System) -> None:
        """Growth of the film at wall nodes, and what the books ask."""
        sums: dict[str, Any] = {}
        one = ufl.as_ufl(1.0)
        for name, integral in (("made", self._made), ("broken", self._broken)):
            sums[name] = self._over_all(integral, one)
        for k, coat in enumerate(self.coats):
            if coat.solvent is not None:
                sums[f"made.{k}"] = self._over_all(self._made, one, coat)
        v = ufl.TestFunction(s.function("L_sei").function_space)
        sums["area"] = self._over_all(_unity, v)
        sums["charge"] = self._over_all(_charge, v)
        self.forms = {name: s.form(f) for name, f in sums.items() if not _nothing(f)}
        self.area = s.nodal(self.forms["area"])
        self.capacity = s.nodal(self.forms["charge"])  # A s/m
        if not self.grow:
            return
        s.unknowns["L_sei"].capacity = self.capacity
        walls, layer = s["walls"], s.layer
        assert layer is not None
        for electrons in ("field", "driven"):
            here = [e for e in walls.plating if e.potential == electrons and self.lies_on(e)]
            if not here:
                continue
            places = [self._places(c, e) for c in self.coats for e in here]
            s.reactions.append(WallReaction(
                s, f"sei, {electrons}", layer, [w for p in places for w in p[0]],
                [f for p in places for f in p[1]],
                {"growth": functools.partial(self._over, here, self._growth)},
                {"L_sei": ("growth", 1.0)}, electrons,
            ))
        self.used = [Ledger(s, f"sei.solvent.{k}") for k in range(len(self.coats))]
        self.made, self.lost = Ledger(s, "sei.made"), Ledger(s, "sei.broken")

    def _growth(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        """(n F/V) (dL/dt + r L) + i_sei, A/m2."""
        return film.charge * rate + film.broken(at.L, metal) + film.current(at, metal)

    def _made(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        """-i_sei, A/m2."""
        return -film.current(at, metal)

    def _broken(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        return film.broken(at.L, metal)

    def _over_all(self, term: Any, v: Any, only: Coat | None = None) -> Any:
        return self._over(self.s["walls"].plating, term, v, only)

    def _over(self, electrodes: Any, term: Any, v: Any, only: Coat | None = None) -> Any:
        """Integral of a term over films on electrodes, tested with v."""
        s, total = self.s, 0
        L = s["L_sei"]
        for e in electrodes:
            for on_wall in (True, False):
                for coat in self.coats:
                    places = self._places(coat, e)[0 if on_wall else 1]
                    if not places or coat not in (only, coat if only is None else only):
                        continue
                    minus = "-" if on_wall else ""
                    drive, eta, metal = s["walls"].conditions(s, e, on_wall)
                    at = State(drive, eta, _side(L, minus), _side(s["T"], minus))
                    rate = _side(s.ddt(L), minus) if self.grow else 0.0
                    if on_wall:
                        weight, measure = s.domain.wall_weight(walls=places), s.domain.dS(places)
                    else:
                        weight, measure = s.domain.wall_weight(faces=places), s.domain.ds(places)
                    density = term(self.written[coat.surfaces], at, metal, rate)
                    if ufl.as_ufl(density) == 0:
                        continue
                    total = total + density * weight * _side(v, minus) * measure
        return total

    # -- books ---------------------------------------------------------------------------------

    def _integral(self, name: str) -> float:
        form = self.forms.get(name)
        return 0.0 if form is None else self.s.integral(form)

    def amount(self) -> float:
        """Charge of the film that is there, C (2D: C/m; collective)."""
        local = float(self.capacity @ self.s.unknowns["L_sei"].owned)
        return self.s.domain.comm.allreduce(local, op=MPI.SUM)

    def begin(self) -> None:
        """Take film and metal of the start as the reference (collective)."""
        if not self.grow:
            return
        for ledger in (self.made, self.lost, *self.used):
            ledger.begin()
        kept = {"film": self.amount(), "metal": self.s["stock"].plated(), "plate": 0.0,
                "strip": 0.0}
        self.s.kept |= {f"sei.{name}": value for name, value in kept.items()}

    def step(self, scale: float) -> Mapping[str, float]:
        """Thickness, charges, solvent and both closures of the step."""
        if not self.grow:
            return {}
        s, comm, kept = self.s, self.s.domain.comm, self.s.kept
        made, lost = (ledger.step(self._integral(name)) for ledger, name in (
            (self.made, "made"), (self.lost, "broken")))
        solvent = self.share_used = self.share_before = 0.0
        for k, coat in enumerate(self.coats):
            used = self.used[k].step(self._integral(f"made.{k}")) / (
                coat.film.data["n"] * FARADAY)
            solvent += used
            if coat.solvent is not None:
                past = float(self.used[k].history[0]) / (coat.film.data["n"] * FARADAY)
                self.share_used += used / coat.solvent
                self.share_before += past / coat.solvent
        grown = self.amount() - kept["sei.film"]
        books = s["circuit"]
        reference = books.reference(scale)
        L = s.unknowns["L_sei"].owned
        area = comm.allreduce(float(self.area.sum()), op=MPI.SUM)
        mean = comm.allreduce(float(self.area @ L), op=MPI.SUM) / area
        metal = s["stock"].plated() - kept["sei.metal"]
        bare = books.pending["side"] + made  # side reactions that make no film
        dead = float(books.pending.get("dead", 0.0))  # stranded by whoever keeps such a ledger
        gap = metal + dead + books.pending["reacted"] - bare + grown + lost
        gap += books.pending.get("dead", 0.0)  # what inputs strand (`fem.physics.inventory`)
        return {
            "sei_thickness": mean,
            "sei_thickest": s.extrema("L_sei")[1],
            "sei_charge": made,
            "sei_broken": lost,
            "solvent_used": solvent,
            "solvent_share": self.share_used,
            "sei": abs(grown + lost - made) / max(abs(made), reference),
            "lithium": abs(gap) / max(abs(made), reference),
        }

    def accept(self) -> None:
        """Count what the step passed."""
        if not self.grow:
            return
        kept = self.s.kept
        for ledger in (self.made, self.lost, *self.used):
            ledger.accept()
        passed, before = (float(q) for q in self.s.charges["passed"])
        kept["sei.plate"] += max(before - passed, 0.0)
        kept["sei.strip"] += max(passed - before, 0.0)

    def share(self) -> float | None:
        """Share of a step that takes the last solvent."""
        if not self.grow or self.share_used <= ALL_SOLVENT or self.share_before >= 1.0:
            return None
        return (1.0 - self.share_before) / (self.share_used - self.share_before)

    def events(self) -> Iterator[Event]:
        """Solvent that has run out."""
        if self.grow and self.share_used >= 2.0 - ALL_SOLVENT:
            yield Event(
                "solvent_gone", {"share": self.share_used}, ends="run",
                reason="the film has taken all solvent of the cell",
            )

    def summary(self) -> Mapping[str, Any]:
        """Charge that came back, and where the rest is, over the charge plated (collective)."""
        kept = self.s.kept
        if not self.grow or not kept.get("sei.strip"):
            return {}
        plate, most = kept["sei.plate"], float(self.s.charges["absolute"][0])
        if plate < LEAST_PLATED * most:
            return {}
        made = self.made.history[0]
        dead = float(self.s.charges["dead"][0]) if "dead" in self.s.charges else 0.0
        metal = self.s["stock"].plated() - kept["sei.metal"] + dead
        side = -float(self.s.charges["side"][0]) - made
        return {"coulombic": {
            "efficiency": kept["sei.strip"] / plate, "sei": made / plate, "left": metal / plate,
            "side": side / plate,
        }}

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Data that stand in for others, and films that would have moved their walls."""
        if not closely:
            yield from ((f"sei.{k}", text) for k, text in enumerate(self.said))
            return
        diameter = self.s["stock"].diameter
        if self.grow and diameter is not None:
            thickest = self.s.extrema("L_sei")[1]
            if thickest > MAX_FILM_SHARE * diameter:
                yield "sei_thick", (
                    f"the SEI reaches {1e9 * thickest:.3g} nm, above {MAX_FILM_SHARE:.0%} of the "
                    f"smallest diameter {1e9 * diameter:.3g} nm: it would narrow the pores"
                )


def _side(expression: Any, side: str) -> Any:
    """Restrict to a side of an interior facet; at the edge of the mesh there is only one."""
    if not side or isinstance(expression, int | float):
        return expression
    return expression(side)


def at_places(value: Any, places: Mapping[str, Any]) -> Any:
    """A number, or a property of place at points."""
    if not varies(value):
        return number(value)
    return value.at(**{k: v for k, v in places.items() if k in value.variables})


def _in_forms(s: System, film: Film) -> Film:
    """A film whose numbers are constants of forms."""

    def constants(given: Any) -> dict[str, Any]:
        return {name: dfem.Constant(s.domain.mesh, float(x)) for name, x in given.items()}

    crack = None if film.crack is None else Crack(**constants(vars(film.crack)))
    return replace(film, data=constants(film.data), crack=crack)


def _unity(film: Film, at: State, metal: Any, rate: Any) -> float:
    """One, for areas."""
    return 1.0


def _charge(film: Film, at: State, metal: Any, rate: Any) -> Any:
    """Charge of a volume of film, C/m3."""
    return film.charge


def _nothing(form: Any) -> bool:
    return not isinstance(form, ufl.Form)
