r"""The cell voltage by its parts: what each physics spends of the power that the cell takes up.

The rows of phi_s and phi_l, tested with phi_s and phi_l themselves, say that

    I E = (sigma grad phi_s, grad phi_s) + (|i_l|^2/kappa, 1) - (i_l, E_c)
          + <i_n, phi_s - phi_l> + what leaves through other boundaries        [W, 2D: W/m]

with E_c = (diffusion potential) grad ln c, the field that drives ions by differences of
concentration. Each term is a sum of integrals that its physics reports (`Reports.spend`), none is
what the others leave. Divided by I they are the parts V_k of the voltage: each place counts by the
share of the current that passes it. Fields and weights are in the space of the rows, so the parts
add up to E as exactly as the rows are solved.

Without a current the parts are what they become as the current vanishes, salt and metal held:

    V_k = dP_k/dI at I = 0,    sum of V_k = d(I E)/dI = E

with dP_k along the response of the potentials to a small current. Where nothing flows at rest that
is to weigh by w, the field of the conduction problem for 1 A, linearised at the state. With space
charge potentials follow with ions alone, and the response is that of all rows of the step at hand;
what those spend has derivatives (`changes`), all else is compared a little to either side.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import RunError
from fem.compat import MPI, dfem
from fem.contract.physics import VOLTAGE_PARTS
from fem.mesh.spaces import space_on
from fem.solver.corners import Functional, Moment, taken
from fem.system.system import System

__all__ = ["BY_REGION", "Split"]

#: Parts that are also given by region, where there are several.
BY_REGION = ("ohmic_s", "ohmic_l", "concentration")
#: Current, over that which residuals are compared with, below which a cell counts as at rest.
REST_SHARE = 1e-6
#: Change of the cell voltage that is compared with one of an unknown's scale, V.
TYPICAL = 1e-2
#: Largest change along the response to a small current, in scales of the unknowns (1e-8 V). Walls
#: that pass plating and stripping unequally leave an error of the parts of about its size;
#: round-off leaves less.
NUDGE = 1e-6
#: Difference of the parts from the voltage above which a remark says so, V.
MAX_GAP = 1e-6
#: Why a rest has no parts.
NOTHING_FLOWS = "in that state no current can flow, as before the first nucleus"
AT_A_BARRIER = "metal waits at a barrier, where a small current takes another way than its reverse"


class Split:
    """The parts of the cell voltage.

    Args:
        s: the system; all physics have reported by now.

    Attributes:
        columns: of the series.
        rests: no current passed the cell in the step measured last.
    """

    def __init__(self, s: System):
        self.s = s
        self.nodal = s.reports.accounts
        elsewhere: list[Callable[[Any], Any]] = [
            functools.partial(_less, work) for work in s.ports.sums["work"]
        ]
        functionals = {
            **s.reports.spent, "elsewhere": elsewhere, "rest_counter": s.ports.sums["energy"],
        }  # fmt: skip
        mesh = s.domain.mesh
        one = ufl.TestFunction(space_on(mesh, ("DG", 0)))
        element = ("DG", 0, (max(len(functionals), 1),))  # one kernel gives all parts in each cell
        v = ufl.TestFunction(space_on(mesh, element))
        forms = {
            part: [form for f in found if isinstance(form := f(one), ufl.Form)]
            for part, found in functionals.items()
        }
        self.parts = list(functionals)
        self.at_corners: list[tuple[int, Functional]] = []
        slow = []
        for k, found in enumerate(forms.values()):
            for form in found:
                quick, others = taken(form, lambda integral: Functional(s, integral, one))
                self.at_corners += [(k, functional) for functional in quick]
                slow += [i.reconstruct(ufl.replace(i.integrand(), {one: v[k]})) for i in others]
        self.form = s.form(ufl.Form(slow)) if slow else None
        given = {part for part, found in forms.items() if found}
        given |= {part for reaction in self.nodal for part in reaction.spends}
        self.names = [part for part in VOLTAGE_PARTS if part in given]
        # A region has a column where something of the part is in it.
        self.regions = {
            part: [name for name, tag in s.domain.regions.items()
                   if _has(forms.get(part, ()), tag)] for part in BY_REGION
        }  # fmt: skip
        self.regional = [
            (part, name) for part, found in self.regions.items() if len(found) > 1 for name in found
        ]
        self.gap, self.rests = math.nan, False
        self.lacks = ""

    @property
    def columns(self) -> list[str]:
        """Names of the columns, V."""
        return (
            [f"V_{part}" for part in self.names]
            + [f"V_{part}.{region}" for part, region in self.regional]
            + ["V_gap"]
        )

    def powers(self, accounts: Sequence[Any] | None = None) -> dict[str, float]:
        """Power of each part, and of those by region, W (2D: W/m; collective).

        Args:
            accounts: that count besides what stands in forms; default all.
        """
        s, count = self.s, max(len(self.parts), 1)
        tags = s.domain.cell_tag_array
        local: npt.NDArray[np.float64] = np.zeros((count, max(s.domain.regions.values()) + 1))
        if self.form is not None:
            values = s.nodal(self.form).reshape(-1, count)
            for k in range(count):
                local[k] = np.bincount(
                    tags[: len(values)], weights=values[:, k], minlength=local.shape[1]
                )
        moment = Moment()
        for k, functional in self.at_corners:
            local[k] += np.bincount(
                tags[functional.cells], functional.by_cell(moment), local.shape[1]
            )
        extra = dict.fromkeys(self.names, 0.0)
        for account in self.nodal if accounts is None else accounts:
            for part, power in account.spending().items():
                if part in extra:
                    extra[part] += power
        sums = np.append(local.ravel(), [*extra.values()])
        s.domain.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        table, at_nodes = sums[: local.size].reshape(local.shape), sums[local.size :]
        found = dict(zip(self.names, at_nodes.tolist(), strict=True))
        for part, row in zip(self.parts, table, strict=False):
            if part in found:
                found[part] += float(row.sum())
        for part, region in self.regional:
            row = table[self.parts.index(part)]
            found[f"{part}.{region}"] = float(row[s.domain.regions[region]])
        return found

    def volts(self, current: float, scale: float) -> dict[str, float]:
        """Columns of the parts, V, sign of the voltage (collective).

        NaN without a current where none can flow, or one way only.

        Args:
            current: through the cell, A, sign of i_n.
            scale: that residuals are compared with, A.
        """
        self.rests = abs(current) <= REST_SHARE * scale
        powers = self._at_rest() if self.rests else self.powers()
        if not powers:
            self.gap = math.nan
            return dict.fromkeys(self.columns, math.nan)
        per = 1.0 if self.rests else current
        found = {f"V_{part}": power / per for part, power in powers.items()}
        self.gap = float(self.s.get_voltage()) - sum(found[f"V_{part}"] for part in self.names)
        self.last = found
        return found | {"V_gap": self.gap}

    def _at_rest(self) -> dict[str, float]:
        """Changes of powers with a small current, W/A; empty where there are none (collective)."""
        s = self.s
        if s.response is None:
            return {}
        try:
            moves, rise = s.response()
        except RunError:  # as before the first nucleus: nothing carries a current
            self.lacks = NOTHING_FLOWS
            return {}
        largest = max(
            [abs(rise) / TYPICAL]
            + [float(np.abs(m).max(initial=0.0)) / s.unknowns[n].scale for n, m in moves.items()]
        )
        step = NUDGE / s.domain.comm.allreduce(largest, op=MPI.MAX)  # A
        found, uneven = self._changes(moves, rise, step)
        if abs(uneven) > MAX_GAP:
            self.lacks = AT_A_BARRIER
            return {}
        for part, change in self._derived(moves, rise).items():
            found[part] += change
        return found

    def _derived(self, moves: dict[str, Any], rise: float) -> dict[str, float]:
        """Changes of powers that are known by derivatives, W/A (collective).

        Args:
            moves: of unknowns, in their unit per A.
            rise: of the voltage, V/A.
        """
        s = self.s
        if not s.reports.smooth:
            return {}
        every = {}
        for name, u in s.unknowns.items():
            change = dfem.Function(u.space)
            if name in moves:
                change.x.array[: len(moves[name])] = moves[name]
                change.x.scatter_forward()
            every[name] = change.x.array
        found: dict[str, float] = {}
        for account in s.reports.smooth:
            for part, value in account.changes(every, rise).items():
                found[part] = found.get(part, 0.0) + value
        sums = s.domain.comm.allreduce(np.array([*found.values()]), op=MPI.SUM)
        return dict(zip(found, sums.tolist(), strict=True))

    def _changes(
        self, moves: dict[str, Any], rise: float, step: float
    ) -> tuple[dict[str, float], float]:
        """Changes of all other powers, W/A, and by how much both ways differ (collective).

        Args:
            moves: of unknowns, in their unit per A.
            rise: of the voltage, V/A.
            step: current on either side, A.
        """
        s, voltage = self.s, self.s.get_voltage()
        kept = {name: s.unknowns[name].value.x.array.copy() for name in moves}
        others = [account for account in self.nodal if account not in s.reports.smooth]
        ways = []
        for way in (step, -step, 0.0):
            for name, move in moves.items():
                value = s.unknowns[name].value.x
                value.array[: len(move)] = kept[name][: len(move)] + way * move
                value.scatter_forward()
            s.set_voltage(voltage + way * rise)
            for refresh in s.refreshers:
                refresh()
            ways.append(self.powers(others))
        above, below, here = ways
        uneven = sum(above[n] + below[n] - 2 * here[n] for n in self.names) / step
        return {n: (above[n] - below[n]) / (2 * step) for n in above}, uneven

    def summary(self) -> dict[str, dict[str, float]]:
        """Parts of the voltage of the last step, V."""
        if math.isnan(self.gap):
            return {}
        return {"voltage_parts": {n.removeprefix("V_"): v for n, v in self.last.items()}}

    def remarks(self) -> Iterator[tuple[str, str]]:
        """Voltage that no physics accounts for; rows of the series without parts, and why."""
        if self.lacks:
            yield "split at rest", (
                f"the parts of the voltage (columns V_*) are nan where the cell rests: {self.lacks}"
            )
        if abs(self.gap) > MAX_GAP:
            yield "split", (
                f"the parts of the voltage miss it by {self.gap:.3g} V (column V_gap): a physics "
                "of this case carries current and does not say what it spends (Reports.spend)"
            )


def _less(work: Callable[[Any], Any], v: Any) -> Any:
    """Work that comes in through boundaries other than those of the cell, as what leaves."""
    return -work(v)


def _has(forms: list[ufl.Form] | tuple[()], tag: int) -> bool:
    """A region is among those of some forms."""
    return any(
        tag in (ids if isinstance(ids, tuple) else (ids,))
        for form in forms for integral in form.integrals()
        if integral.integral_type() == "cell" and (ids := integral.subdomain_id()) is not None
    )  # fmt: skip
