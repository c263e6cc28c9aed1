"""The books of a cell: currents that physics report by name, and what is kept of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import ufl

from fem.base.errors import RunError
from fem.files import checkpoint
from fem.physics.circuit.circuit import Circuit
from fem.system.system import System
from tests.verification.fronts import box

HERE = ("electrolyte",)


def cell(gap: float = 0.0) -> tuple[System, Circuit]:
    """A box 3 m wide: 6 A/m out of the collector by a form, 1 A/m by a function; all of it, but for
    a gap, goes in at the counter electrode."""
    domain = box((0, 0), (3.0, 2.0), (6, 4))
    s = System(domain)
    s.add("phi_l", domain.subdomain(HERE), potential=True)
    one = ufl.as_ufl(1.0)
    collector, counter = (domain.ds(((name, *HERE),)) for name in ("collector", "counter"))
    s.reports.flow("cell", -2.0 * one * collector)
    s.reports.flow("cell", lambda: -1.0)
    s.reports.flow("counter", (7.0 - gap) / 3.0 * one * counter)
    s.reports.flow("side", lambda: -0.7)
    circuit = Circuit(commands=True)
    circuit.declare(s)
    circuit.rows(s)
    circuit.begin()
    return s, circuit


@pytest.mark.parametrize("gap", [0.0, 7e-3])
def test_forms_and_functions_of_a_name_are_one_current(gap: float) -> None:
    s, circuit = cell(gap)
    for k in (1, 2, 3):  # BDF1, then BDF2: a constant current is integrated exactly
        s.begin(10.0)
        numbers = circuit.step(7.0)
        assert numbers["current_density"] == pytest.approx(-7.0, rel=1e-14)
        assert numbers["charge"] == pytest.approx(-70.0 * k, rel=1e-13)
        assert numbers["balance"] == pytest.approx(gap / 7.0, rel=1e-9, abs=1e-14)
        s.accept()
        circuit.accept()
    assert s.charges["side"][0] == pytest.approx(-21.0, rel=1e-13)
    text = dict(circuit.remarks(closely=True))["side"]
    assert text.startswith("10.0% of the charge that passed made or took no metal")


def test_a_step_that_is_given_up_counts_nothing() -> None:
    s, circuit = cell()
    for dt in (10.0, 4.0):
        s.begin(dt)
        circuit.step(7.0)
    s.accept()
    circuit.accept()
    assert s.charges["passed"][0] == pytest.approx(-28.0, rel=1e-14)


def test_a_current_of_no_name_is_refused() -> None:
    s, _ = cell()
    with pytest.raises(RunError, match="no current 'cel'; did you mean 'cell'"):
        s.reports.flow("cel", lambda: 1.0)


def test_what_an_older_checkpoint_keeps_is_found() -> None:
    kept: dict[str, Any] = {
        "start": {"salt": 3.0, "plated": 5.0}, "most": 8.0, "commanded": [-6.0, 7.0],
        "leaking": True, "unresolved": 1e-7, "flowing": -2.0,
        "remarks": {"said": {}, "c_low": 900.0, "c_high": 1100.0},
    }  # fmt: skip
    charges = {"passed": np.array([-6.5, -6.0])}
    assert checkpoint.observed(kept, charges) == {
        "salt": 3.0, "plated": 5.0, "most": 8.0, "commanded": -6.0, "asked": 7.0, "leaking": 1.0,
        "unresolved": 1e-7, "flowing": -2.0, "c_low": 900.0, "c_high": 1100.0,
    }  # fmt: skip
    oldest = checkpoint.observed({"start": {"salt": 3.0, "plated": 5.0}}, charges)
    assert (oldest["commanded"], oldest["asked"], oldest["most"]) == (-6.5, 6.5, 5.0)
