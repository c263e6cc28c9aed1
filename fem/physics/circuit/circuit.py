"""What is computed from an accepted state: currents, charges, balances, profiles.

The balances are part of every run, not only of tests: each accepted step computes them, writes them
to the series, and the run stops if one exceeds the case's limit. Every current comes from its own
place: the walls, the held nodes of the collector, the counter electrode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, dfem, owned_size
from fem.physics.electrons.electrons import Electrons
from fem.physics.ions.ions import Ions
from fem.physics.walls.interface import Interface, _side
from fem.solver.stage import Stage
from fem.system.system import System

__all__ = ["Measure"]


class Measure:
    """Numbers of a state.

    Args:
        system: the unknowns.
        ions, interface, electrons: the physics whose currents are read.
        stages: hold the residuals from which boundary currents are read.
    """

    def __init__(
        self,
        system: System,
        ions: Ions,
        interface: Interface,
        stages: Sequence[Stage],
        electrons: Electrons | None = None,
    ):
        self.s, self.ions, self.interface, self.stages = system, ions, interface, stages
        self.electrons = electrons
        s = system
        self.comm = s.domain.comm
        self.space = s.memories["i_n"].function_space  # of wall nodes
        self._compile()
        s.charges["passed"] = np.zeros(2)  # through the collector
        s.charges["reacted"] = np.zeros(2)  # through the walls; others leave through boundaries
        s.charges["absolute"] = np.zeros(2)
        s.charges["salt_in"] = np.zeros(2)
        s.charges["side"] = np.zeros(2)
        s.charges |= {name: np.zeros(2) for name in (*s.salt_sinks, *s.ledgers)}
        self.start: dict[str, float] = {}
        self.flow = self.lost = 0.0  # cell current and its side reactions in the last step, A

    def _compile(self) -> None:
        import ufl

        s = self.s
        v = ufl.TestFunction(self.space)
        self.mask = dfem.Function(dfem.functionspace(s.domain.mesh, ("DG", 0)))
        nodal = area = regional = region_area = counter = driven = losses = None
        current = s.current

        def plus(total: Any, term: Any) -> Any:
            return term if total is None else total + term

        for e in self.interface.electrodes:
            for i_n, side, (weight, measure), solid, liquid in self.interface.pieces(s, e):
                if not e.counts:
                    counter = plus(counter, i_n * weight * measure)
                    continue
                test = _side(v, liquid)
                if not e.covered:
                    losses = plus(losses, side * weight * measure)
                current = plus(current, i_n * weight * measure)
                nodal = plus(nodal, i_n * weight * test * measure)
                area = plus(area, weight * test * measure)
                if e.potential == "driven":
                    driven = plus(driven, i_n * weight * measure)
                else:
                    regional = plus(
                        regional, _side(self.mask, solid) * i_n * weight * measure
                    )
                    region_area = plus(region_area, _side(self.mask, solid) * weight * measure)
        form = s.form
        self.nodal_current = None if nodal is None else form(nodal)
        self.counter = None if counter is None else form(counter)
        self.driven = None if driven is None else form(driven)
        self.losses = None if losses is None else form(losses)
        self.regional = None if regional is None else form(regional)
        self.region_area = None if region_area is None else form(region_area)
        self.current = None if current is None else form(current)
        metal = self.electrons
        outflow, supply = (metal.outflow(s), metal.supply(s)) if metal else (None, None)
        ionic = self.ions.supply(s)
        self.outflow = None if outflow is None else form(outflow)
        self.contact = None if supply is None else form(supply)
        self.inflow = None if ionic is None else form(ionic)
        carried = self.ions.carried(s)
        self.carried = None if carried is None else form(carried)
        self.area = np.zeros(owned_size(self.space)) if area is None else s.nodal(form(area))
        self.salt = None
        if "c" in s.unknowns:
            content = None
            for medium in self.ions.media:
                if medium.salt:
                    stored, weight, dx = medium.stored(s)
                    content = plus(content, stored * weight * dx)
            self.salt = form(content)
        self.walls_of = sorted({w[0] for e in self.interface.plating for w in e.walls})

    # -- scalars -------------------------------------------------------------------------------

    def _held_currents(self, name: str) -> list[float]:
        """What leaves through each boundary where an unknown is held, A (collective)."""
        stage = next((s for s in reversed(self.stages) if name in s.names), None)
        if stage is None:
            return []
        groups = stage.system.unknowns[name].groups
        return [stage.boundary_current(name, group) for group in groups]

    def begin(self) -> None:
        """Take the present state as the reference of all balances (collective)."""
        self.start = {"salt": self.salt_content(), "plated": self.plated()}

    def salt_content(self) -> float:
        """Salt in the electrolyte, mol (2D: mol/m; collective)."""
        return 0.0 if self.salt is None else self.s.integral(self.salt)

    def salt_gain(self) -> float:
        """Salt that enters where c is held, mol/s (2D: mol/(m s); collective)."""
        return sum(self._held_currents("c")) / float(self.s["salt_charge"])

    def plated(self) -> float:
        """Charge of the metal on all walls, C (2D: C/m; collective)."""
        if "q" not in self.s.unknowns:
            return 0.0
        local = float(self.area @ self.s.unknowns["q"].owned)
        return self.comm.allreduce(local, op=MPI.SUM)

    def left(self) -> float:
        """Charge of the metal that can be stripped, C (2D: C/m; collective).

        Infinite where a wall is the metal itself, or where metal is not followed.
        """
        if "q" not in self.s.unknowns or any(e.covered for e in self.interface.plating):
            return math.inf
        return self.plated()

    def cell_current(self) -> float:
        """Current through all driven walls, A (2D: A/m), sign of i_n (collective)."""
        return 0.0 if self.current is None else self.s.integral(self.current)

    def side_current(self) -> float:
        """What of it makes no metal, A (collective)."""
        return 0.0 if self.losses is None else self.s.integral(self.losses)

    def moved(self) -> float:
        """Charge of the metal that came or went at each place in this step, C (collective)."""
        q = self.s.unknowns.get("q")
        if q is None:
            return 0.0
        change = np.abs(q.owned - q.old[0].x.array[: len(q.owned)])
        return self.comm.allreduce(float(self.area @ change), op=MPI.SUM)

    def reference(self, scale: float) -> float:
        """Charge that errors of the step are compared with, C.

        All that has passed so far through the electrolyte, or moved at walls, whatever its sign,
        or what this step is solved to; steps before it add nothing to that.

        Args:
            scale: cell current that the residuals of the step are compared with, A.
        """
        return max(self._pending["absolute"], scale * self.s.dt)

    def counter_current(self) -> float:
        """What nodal reactions carry at the counter electrode, A; here none."""
        return 0.0

    def extrema(self, name: str) -> tuple[float, float]:
        """Smallest and largest nodal value of an unknown (collective)."""
        values = self.s.unknowns[name].owned
        low = float(values.min()) if len(values) else np.inf
        high = float(values.max()) if len(values) else -np.inf
        return (
            self.comm.allreduce(low, op=MPI.MIN),
            self.comm.allreduce(high, op=MPI.MAX),
        )

    def wet(self) -> npt.NDArray[np.bool_]:
        """Owned nodes of c at which it means something."""
        return np.ones(len(self.s.unknowns["c"].owned), dtype=bool)

    def step(self, scale: float) -> dict[str, float]:
        """Ledgers and balances of the step just solved; call before `System.accept`.

        Args:
            scale: cell current that errors are compared with, A.

        Returns:
            Currents in A, charges in C (2D: per metre), balances as relative errors:
            `balance` collector against counter (and other boundaries), `collector` walls against
            collector nodes,
            `faraday` plated charge against charge passed less side reactions, `salt` content
            against its start; `salt_out`: what liquid has taken out of the mesh, mol.
        """
        s = self.s
        current = self.cell_current()
        outflow = 0.0 if self.outflow is None else s.integral(self.outflow)
        ledger = s.charges
        passed = s.integrate(current, ledger["passed"])
        reacted = s.integrate(current - outflow, ledger["reacted"])
        held = self._held_currents("phi_l")
        counter = self.counter_current()
        counter += 0.0 if self.counter is None else s.integral(self.counter)
        # What enters the electrolyte leaves it elsewhere: each ampere stands here twice.
        carried = 0.5 * (abs(current - outflow) + abs(counter) + sum(map(abs, held)))
        carried += 0.0 if self.carried is None else 0.5 * s.integral(self.carried)
        absolute = ledger["absolute"][0] + max(carried * s.dt, self.moved())
        rates = {"salt_in": self.salt_gain()} if self.salt else {}
        rates |= {name: sink() for name, sink in s.salt_sinks.items()}
        salt = {name: s.integrate(rate, ledger[name]) for name, rate in rates.items()}
        others = {name: s.integrate(rate(), ledger[name]) for name, rate in s.ledgers.items()}
        self.flow = current
        self.lost = self.side_current()
        side = s.integrate(self.lost, ledger["side"])
        self._pending = {
            "side": side, "passed": passed, "reacted": reacted, "absolute": absolute,
            **salt, **others,
        }
        opposite = sum(held) + counter - outflow
        opposite += 0.0 if self.inflow is None else s.integral(self.inflow)
        at_collector = sum(self._held_currents("phi_s")) if "phi_s" in s.unknowns else 0.0
        at_collector += sum(s.integral(f) for f in (self.driven, self.contact) if f is not None)
        out = {
            "current": current,
            "current_counter": opposite,
            "charge": passed,
            "balance": abs(current + opposite) / scale,
            "collector": abs(current - at_collector) / scale,
        }
        if "q" in s.unknowns or "xi" in s.unknowns:
            out["plated"] = self.plated()
            gap = out["plated"] - self.start["plated"] + reacted - side
            # Metal that was there before counts too: its last digit is no leak of a short rest.
            out["faraday"] = abs(gap) / max(self.reference(scale), 1e-6 * self.start["plated"])
        if self.salt is not None:
            out["c_min"], out["c_max"] = self.extrema("c")
            content = self.salt_content()
            gap = content - self.start["salt"] - salt.pop("salt_in") + sum(salt.values())
            out["salt"] = abs(gap) / self.start["salt"]
            out |= salt
        return out

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""
        for name, value in self._pending.items():
            history = self.s.charges[name]
            history[1], history[0] = history[0], value

    # -- walls ---------------------------------------------------------------------------------

    def update_walls(self) -> npt.NDArray[np.float64]:
        """Nodal i_n into the field `i_n`; returns the owned nodal currents, A (collective)."""
        field = self.s.memories["i_n"]
        if self.nodal_current is None:
            return np.zeros(owned_size(self.space))
        currents = self.s.nodal(self.nodal_current)
        n = owned_size(self.space)
        field.x.array[:n] = np.where(self.area > 0.0, currents / np.where(
            self.area > 0.0, self.area, 1.0), 0.0)
        field.x.scatter_forward()
        return currents

    def by_region(self) -> dict[str, dict[str, float]]:
        """Current (A) and wall area (m2) of each reacting solid, and of the collector itself."""
        out = {}
        tags = self.s.domain.cell_tag_array
        for name in self.walls_of:
            self.mask.x.array[:] = tags == self.s.domain.regions[name]
            out[name] = {
                "current": self.s.integral(self.regional),
                "area": self.s.integral(self.region_area),
            }
        if self.driven is not None:
            faces = [f for e in self.interface.plating for f in e.faces]
            area = sum(self.s.domain.area(b) for b in {b for b, _ in faces})
            out["collector"] = {"current": self.s.integral(self.driven), "area": area}
        return out

    def depth_profile(self, bins: int = 24) -> dict[str, list[float]]:
        """Wall current against depth.

        Returns:
            `depth` (bin centres, m), `current` (A in the bin, sign of i_n), `area` (wall m2 in the
            bin), `plated` (C in the bin). The currents add up to the cell current.
        """
        domain = self.s.domain
        currents = self.update_walls()
        depth = domain.depth_of(domain.node_coordinates(self.space))
        top, bottom = domain.span
        edges = np.linspace(0.0, top - bottom, bins + 1)
        index = bins_of(depth, edges)
        charge = (
            self.area * self.s.unknowns["q"].owned
            if "q" in self.s.unknowns
            else np.zeros_like(currents)
        )
        local = np.stack(
            [np.bincount(index, weights=x, minlength=bins) for x in (currents, self.area, charge)]
        )
        total = self.comm.allreduce(local, op=MPI.SUM)
        return {
            "depth": (0.5 * (edges[1:] + edges[:-1])).tolist(),
            "current": total[0].tolist(),
            "area": total[1].tolist(),
            "plated": total[2].tolist(),
        }

    def thirds(self, profile: dict[str, list[float]], key: str = "current") -> list[float]:
        """Shares of a profile in the top, middle and bottom third of the depth."""
        values = np.abs(np.asarray(profile[key]))
        parts = np.array_split(values, 3)
        total = values.sum()
        return [float(p.sum() / total) if total else 0.0 for p in parts]


def bins_of(
    depth: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Bin of every depth, the first or last one for what lies outside.

    Planes of nodes often lie on an edge; all of a plane, whatever its rounding, are of the deeper
    bin.
    """
    found = np.searchsorted(edges, depth + 1e-9 * edges[-1], side="right") - 1
    return np.clip(found, 0, len(edges) - 2)
