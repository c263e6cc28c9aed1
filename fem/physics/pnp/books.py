"""The books of ions with space charge: what there is of each, whose charge it is, how it drifts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from fem.case.species import Species
from fem.compat import MPI, owned_size
from fem.physics.pnp.rest import settle
from fem.physics.pnp.space_charge import ROUND_OFF_SHARE, SpaceCharge, unknown_of
from fem.solver.pattern import pattern
from fem.system import verdicts
from fem.system.ledger import Ledger
from fem.system.leftover import Leftover
from fem.system.part import Begun, Event, Observer
from fem.system.system import System

__all__ = ["ChargeBooks"]

#: Drift of one edge in RT/F that is large, and the one above which a mesh is too coarse.
LARGE_DRIFT, MOST_DRIFT = 4.0, 40.0
#: Share of the charge that a step may lose: Newton's method stops at a tolerance of currents,
#: beside which charge may be small.
LOST = 1e-9


class ChargeBooks(Observer):
    """Content of each ion against what came in, and the charge of ions against that of walls.

        gauss   Q_ions + Q_fixed + sum sigma_w + sum q_S + flux at baths = 0, over the largest

    Args:
        model: that carries them.
        fresh: the run begins with ions in equilibrium; else with those of another run.
    """

    needs: tuple[str, ...] = ("circuit", "ions")
    makes = ("c_min", "c_max")

    def __init__(self, model: SpaceCharge, fresh: bool = True):
        self.model, self.fresh = model, fresh
        self.worst_drift = 0.0

    def declare(self, s: System) -> None:
        """Add the ledgers of what comes in."""
        self.s = s
        self.came = {ion.name: Ledger(s, f"in_{ion.name}") for ion in self.model.ions}
        self.exchanged = Ledger(s, "exchanged")

    def rows(self, s: System) -> None:
        """Compile contents and charges; weigh nodes by their volume, and follow the voltage."""
        model = self.model
        self.contents = {ion.name: s.form(model.content(ion)) for ion in model.ions}
        self.turned = {ion.name: s.form(form) for ion in model.ions
                       if (form := model.turned(ion)) is not None}
        self.charges = [s.form(form) for form in model.charges()]
        volumes = model.space
        for ion in model.ions:
            u = s.unknowns[unknown_of(ion)]
            u.weight, u.relative = (lambda: volumes), True
        row = s.unknowns[unknown_of(model.ions[0])]
        self.ends = pattern(s, row, s.unknowns["phi"]).partner[pattern(s, row, row).edges]
        s.unknowns["phi"].again = Leftover(s, self._gauss, LOST)
        s.gaps.append(self._voltage_gap)
        if model.held:
            for form in model.displacement():
                s.reports.flow("counter", form)
            for ion in model.ions:
                s.reports.flow("counter", lambda ion=ion: self._through_baths(ion))

    def _voltage_gap(self) -> float:
        """Local error of the cell voltage over max(RT/F, E), from the third step after a jump on.

        What the voltage does in the step that charges the layers says nothing of the next one.
        """
        s = self.s
        if s.time.history < 3 or s.kept.get("since_jump", 0.0) < 3.0:
            return 0.0
        return verdicts.voltage_error(s) / max(self.model.thermal, abs(s.get_voltage()))

    def _through_baths(self, ion: Species) -> float:
        """Current of an ion into the electrolyte at baths, A (collective)."""
        sign = float(np.sign(ion.z))
        return sign * sum(self.s.held_currents(unknown_of(ion)).values())

    def _gain(self, ion: Species) -> float:
        """Content that electrodes, baths and reactions bring, mol/s (collective)."""
        s, name = self.s, unknown_of(ion)
        made = sum(-float(t.currents()[name].sum()) for t in s.reactions if name in t.rows)
        made = s.domain.comm.allreduce(made, op=MPI.SUM) + sum(s.held_currents(name).values())
        turned = self.turned.get(ion.name)
        more = 0.0 if turned is None else s.integral(turned)
        return more + made / (FARADAY * max(abs(ion.z), 1))

    def _exchange(self) -> float:
        """Metal ions that electrodes take out, whatever they give back, mol/s (collective)."""
        s, metal = self.s, self.model.ions[0]
        name = unknown_of(metal)
        taken = sum(
            float(np.abs(t.slopes().get((name, name), 0.0) * s[name].x.array[t.nodes[name]]).sum())
            for t in s.reactions if name in t.rows
        )
        return s.domain.comm.allreduce(taken, op=MPI.SUM) / (FARADAY * metal.z)

    # -- a run asks ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin in equilibrium; take contents as the reference (collective)."""
        if self.fresh and self.model.charged:
            settle(self.model)
        for ion in self.model.ions:
            self.s.kept[f"amount_{ion.name}"] = self.s.integral(self.contents[ion.name])

    def impose(self, begun: Begun) -> None:
        """Note what is imposed."""
        if begun.fresh:
            self.s.kept["since_jump"] = 0.0

    def step(self, scale: float) -> dict[str, float]:
        """Least and most of the metal ion, least of all, mol/m3; closures; drift of edges."""
        s, model = self.s, self.model
        ranges = [s.extrema(unknown_of(ion)) for ion in model.ions]
        worst, exchanged = 0.0, self.exchanged.step(self._exchange())
        for ion in model.ions:
            amount, start = s.integral(self.contents[ion.name]), s.kept[f"amount_{ion.name}"]
            came = self.came[ion.name].step(self._gain(ion))
            # A reaction is a small difference of what goes both ways, to the last bits of that.
            exact = ROUND_OFF_SHARE * exchanged if ion is model.ions[0] else 0.0
            worst = max(worst, abs(amount - start - came) / max(start, abs(came), exact))
        drift, share = self._drift()
        self.worst_drift = max(drift, self.worst_drift)
        return {
            "c_min": ranges[0][0], "c_max": ranges[0][1], "c_least": min(low for low, _ in ranges),
            "ions": worst, "gauss": self._gauss(), "drift_max": drift, "drift_share": share,
        }  # fmt: skip

    def _gauss(self) -> float:
        """Charges that do not add up to nothing, over the largest of them (collective)."""
        s, model = self.s, self.model
        flux = sum(s.held_currents("phi").values()) / float(model.omega.value)
        each = [s.integral(form) for form in self.charges] + [flux]
        ions = sum(abs(ion.z) * s.integral(self.contents[ion.name]) for ion in model.ions)
        return abs(sum(each)) / max(*map(abs, each), ROUND_OFF_SHARE * FARADAY * ions)

    def _drift(self) -> tuple[float, float]:
        """Largest drift of an edge for the ion of most charge, RT/F, and share of large ones."""
        s, model = self.s, self.model
        phi = s.unknowns["phi"].value.x.array
        z = max(abs(ion.z) for ion in model.ions)
        drift = z * np.abs(phi[self.ends[1]] - phi[self.ends[0]]) / model.thermal
        comm = s.domain.comm
        count = comm.allreduce(
            np.array([np.count_nonzero(drift > LARGE_DRIFT), len(drift)]), op=MPI.SUM
        )
        return comm.allreduce(float(drift.max(initial=0.0)), op=MPI.MAX), count[0] / count[1]

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""
        for ledger in (*self.came.values(), self.exchanged):
            ledger.accept()
        self.s.kept["since_jump"] = self.s.kept.get("since_jump", 0.0) + 1.0

    def events(self) -> Iterator[Event]:
        """None: space charge carries on where salt runs out."""
        yield from ()

    def show(self) -> None:
        """Bring the field phi_l to the present state."""
        model, s = self.model, self.s
        c = s[unknown_of(model.ions[0])].x.array
        phi = s.unknowns["phi"].value.x.array[model.nodes_of_phi]
        lift = model.thermal / model.ions[0].z * np.log(c / model.c0)
        model.shown.x.array[:] = phi + lift
        n = owned_size(model.shown.function_space)
        assert n <= len(c)

    def summary(self) -> dict[str, Any]:
        """Ranges, mol/m3; Debye length, m; the numbers of each ion with source and status."""
        model = self.model
        low, high = self.s.extrema(unknown_of(model.ions[0]))
        return {"c_min": low, "c_max": high, "debye_length": model.debye, "species": {
            ion.name: {"z": ion.z, "D": ion.D, "c0": ion.c0, "source": ion.source,
                       "status": ion.status}
            for ion in model.ions
        }}  # fmt: skip

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """A drift that is too large for the mesh."""
        if closely and self.worst_drift > MOST_DRIFT:
            yield "drift", (
                f"the potential has changed by {self.worst_drift:.3g} RT/F across one edge: cells "
                f"of space charge are too coarse there (at most {LARGE_DRIFT:g} keep its voltage "
                "within a percent); compare with `hostplate converge`"
            )
        if closely and not math.isfinite(self.worst_drift):
            yield "drift", "the potential is not finite"
