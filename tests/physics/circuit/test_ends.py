"""Ends of a step that strips: metal, not what is left over of the step before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fem.physics.circuit.circuit import Circuit


@pytest.fixture
def strips() -> Any:
    """A step that strips and has not solved yet, after a rest whose currents are round-off."""
    circuit: Any = Circuit()
    circuit.s = SimpleNamespace(kept={"most": 2.0}, charges={"passed": [0.0, 0.0]},
                                get_voltage=lambda: 0.0)
    circuit.area = 1.0
    circuit.stock = SimpleNamespace(left=lambda: 2.0, shows_bare=True)
    segment = SimpleNamespace(sign=1.0, cutoff=None, stop=lambda *_: False)
    circuit.begun = SimpleNamespace(segment=segment, charge=0.0)
    circuit.flow, circuit.lost = 4e-16, 3e-16
    return circuit


def test_round_off_of_a_rest_ends_no_stripping(strips: Any) -> None:
    assert strips.nothing_to_do() is None


def test_side_reactions_of_its_own_steps_end_it(strips: Any) -> None:
    strips.stepped = True
    event = strips.nothing_to_do()
    assert event.name == "stripped" and event.numbers == {"left": 2.0}
