"""Films on walls: their thickness, and what they do to the kinetics under them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ufl

from fem.compat import MPI, dfem
from fem.mesh.domain import on_side
from fem.physics.sei.laws import Crack, Film, State
from fem.setup.electrode import Electrode
from fem.system.facets import WallReaction
from fem.system.system import System
from fem.values.properties import number, varies

__all__ = ["Coat", "Films", "at_places"]

#: Thickness, m, below which errors of a film count as those of one so thick.
MIN_SCALE = 1e-9
#: Share of the tolerance of a step that the error of a film may take: a film only grows, so its
#: errors add up. All laws then end within 1e-3 of their closed forms at the default tolerance.
FILM_TOLERANCE_SHARE = 0.04


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


class Films:
    r"""Thickness of films on walls, a number a wall node, with the kinetics under them.

        <(n F/V) (dL/dt + r L) + i_sei, v> = 0            row of L_sei, A, lumped at wall nodes
        i_n = i_metal + i_side + i_sei,   R_film = rho L  (`fem.physics.walls` solves for i_n)

    i_sei stands among the side reactions of the wall: it takes metal ions from the electrolyte and
    electrons from the solid, and makes no metal.

    Args:
        coats: the films; of one surface there is one.
        grow: thickness is followed; else it stays that of the start.
        counter: they lie on the counter electrode, a foil; else on walls and collector.
    """

    def __init__(self, coats: tuple[Coat, ...], grow: bool, counter: bool = False):
        self.coats, self.grow, self.counter = coats, grow, counter
        self.name = "L_sei_counter" if counter else "L_sei"

    @property
    def provides(self) -> tuple[str, ...]:
        """The thickness."""
        return (self.name,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of what it lies on, and of the potential there."""
        return ("opposite" if self.counter else "walls", "phi_l")

    # -- where ---------------------------------------------------------------------------------

    @property
    def interface(self) -> Any:
        """The electrodes that it may lie on (`fem.physics.walls`)."""
        return self.s["opposite"].interface if self.counter else self.s["walls"]

    @property
    def electrodes(self) -> tuple[Electrode, ...]:
        """Electrodes that count: all but the counter electrode, or that alone."""
        found: tuple[Electrode, ...] = (
            self.interface.electrodes if self.counter else self.interface.plating
        )
        return found

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
        L = on_side(self.s[self.name], minus)
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
        L, T = on_side(self.s[self.name], minus), on_side(self.s["T"], minus)
        at = State(drive, eta, L, T)
        return self._sum(e, plus, lambda film: film.current(at, metal))

    # -- equations -----------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add the thickness on wall nodes, and lie down on the walls."""
        self.s = s
        # As constants of a form numbers may change without code being made anew.
        self.written = {c.surfaces: _in_forms(s, c.film) for c in self.coats}
        thinnest = min(coat.thinnest for coat in self.coats)
        layer = s["opposite"].layer if self.counter else s.layer
        assert layer is not None
        self.layer = layer
        if self.grow:
            L = s.add(
                self.name, layer, differential=True, scale=max(thinnest, MIN_SCALE), positive=True,
                solver="diagonal",
            )
            L.relative, L.tolerance_share = True, FILM_TOLERANCE_SHARE
            function, space = L.value, L.space
        else:
            function = s.memory(self.name, layer)
            space = function.function_space
        bare = np.ones(len(function.x.array), dtype=bool)
        for coat in self.coats:
            for e in self.electrodes:
                walls, faces = self._places(coat, e)
                on = s.domain.nodes_on(space, layer, walls=walls, faces=faces)
                places = s.domain.places(space.tabulate_dof_coordinates()[on])
                function.x.array[on] = at_places(coat.L0, places)
                bare[on] = False
        if self.grow:
            L.fixed.append(np.flatnonzero(bare).astype(np.int32))
            L.present = lambda: ~bare[: len(L.owned)]
        self.interface.lay(s, self)

    def rows(self, s: System) -> None:
        """Growth of the film at wall nodes, and what the books ask."""
        sums: dict[str, Any] = {}
        one = ufl.as_ufl(1.0)
        for name, integral in (("made", self._made), ("broken", self._broken)):
            sums[name] = self._over_all(integral, one)
        for k, coat in enumerate(self.coats):
            if coat.solvent is not None:
                sums[f"made.{k}"] = self._over_all(self._made, one, coat)
        v = ufl.TestFunction(s.function(self.name).function_space)
        sums["area"] = self._over_all(_unity, v)
        sums["charge"] = self._over_all(_charge, v)
        self.forms = {name: s.form(f) for name, f in sums.items() if not _nothing(f)}
        self.area = s.nodal(self.forms["area"])
        self.capacity = s.nodal(self.forms["charge"])  # A s/m
        if not self.grow:
            return
        s.unknowns[self.name].capacity = self.capacity
        for electrons in ("field", "driven", "ground"):
            here = [e for e in self.electrodes if e.potential == electrons and self.lies_on(e)]
            if not here:
                continue
            places = [self._places(c, e) for c in self.coats for e in here]
            s.reactions.append(WallReaction(
                s, f"sei, {electrons}", self.layer, [w for p in places for w in p[0]],
                [f for p in places for f in p[1]],
                {"growth": functools.partial(self._over, here, self._growth)},
                {self.name: ("growth", 1.0)}, electrons,
            ))

    def _growth(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        """(n F/V) (dL/dt + r L) + i_sei, A/m2."""
        return film.charge * rate + film.broken(at.L, metal) + film.current(at, metal)

    def _made(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        """-i_sei, A/m2."""
        return -film.current(at, metal)

    def _broken(self, film: Film, at: State, metal: Any, rate: Any) -> Any:
        return film.broken(at.L, metal)

    def _over_all(self, term: Any, v: Any, only: Coat | None = None) -> Any:
        return self._over(self.electrodes, term, v, only)

    def _over(self, electrodes: Any, term: Any, v: Any, only: Coat | None = None) -> Any:
        """Integral of a term over films on electrodes, tested with v."""
        s, total = self.s, 0
        L = s[self.name]
        for e in electrodes:
            for coat in (coat for coat in self.coats if only in (None, coat)):
                for minus, weight, measure in s.domain.lumped_on(*self._places(coat, e)):
                    drive, eta, metal = self.interface.conditions(s, e, bool(minus))
                    at = State(drive, eta, on_side(L, minus), on_side(s["T"], minus))
                    rate = on_side(s.ddt(L), minus) if self.grow else 0.0
                    density = term(self.written[coat.surfaces], at, metal, rate)
                    if ufl.as_ufl(density) == 0:
                        continue
                    total = total + density * weight * on_side(v, minus) * measure
        return total

    # -- how much ------------------------------------------------------------------------------

    def rate(self, name: str) -> float:
        """Sum of `rows` by its name at the present state, A (2D: A/m; collective)."""
        form = self.forms.get(name)
        return 0.0 if form is None else self.s.integral(form)

    def amount(self) -> float:
        """Charge of the film that is there, C (2D: C/m; collective)."""
        local = float(self.capacity @ self.s.unknowns[self.name].owned)
        return self.s.domain.comm.allreduce(local, op=MPI.SUM)

    def sizes(self) -> tuple[float, float]:
        """Volume of film, m3 (2D: m2), and the area that it lies on (collective)."""
        local = np.array([self.area @ self.s.unknowns[self.name].owned, self.area.sum()])
        volume, area = self.s.domain.comm.allreduce(local, op=MPI.SUM)
        return float(volume), float(area)

    def thickest(self) -> float:
        """Largest thickness, m (collective)."""
        return self.s.extrema(self.name)[1]


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
