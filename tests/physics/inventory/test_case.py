"""[counter] and [inventory] of a case that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case, CaseError
from tests.physics.inventory.cells import CATHODE, OCV, data, run, steps


def problems(**changes: Any) -> str:
    """Problems of a case."""
    with pytest.raises(CaseError) as caught:
        Case.from_dict(data(**changes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counter": {k: v for k, v in CATHODE.items() if k != "ocv"}},
         "counter.ocv: missing; of a cathode against the metal, a table over `state`"),
        ({"counter": CATHODE | {"ocv": "3.8 V"}},
         "counter.ocv: '3.8 V': must be a table over state"),
        ({"counter": CATHODE | {"ocv": OCV | {"values": ["4.6 V", "4.2 V", "4.3 V", "3 V"]}}},
         "counter.ocv: rises from 4.2 V to 4.3 V between state = 0.1 and 0.9"),
        ({"counter": CATHODE | {"ocv": OCV | {"at": [0.0, 0.1, 0.8, 0.9]}}},
         "counter.ocv: covers state = 0 to 0.9; give it from 0 to 1"),
        ({"counter": CATHODE | {"ocv": OCV | {"along": "c"}}},
         "along: 'c' is not a variable of this value; known: 'state'"),
        ({"counter": CATHODE | {"capacity": "0 mAh/cm^2"}},
         "counter.capacity: '0 mAh/cm^2' is out"),
        ({"counter": CATHODE | {"resistance": "0 ohm*m^2"}}, "counter.resistance: '0 ohm"),
        ({"counter": {"kind": "foil"}}, "counter.thickness: missing; of a foil at the start"),
        ({"counter": {"kind": "metal", "thickness": "1 um"}},
         "counter.thickness: belongs to kind = 'foil', and this is 'metal'"),
        ({"counter": {"kind": "foil", "thickness": "1 um", "state": 0.5}},
         "counter.state: belongs to kind = 'cathode'"),
        ({"study": "steady", "protocol": steps(1)[0]["steps"][:1], "inventory": None},
         "counter.kind: 'foil': a steady study has no time"),
        ({"inventory": {"dead": {"share": 0.1}}}, "inventory.dead.law: missing"),
        ({"inventory": {"dead": {"law": "fraction"}}}, "inventory.dead.share: missing"),
        ({"inventory": {"dead": {"law": "fraction", "share": 0.1, "rate": "1 1/s"}}},
         "inventory.dead.rate: 1: belongs to law = 'decay'"),
        ({"inventory": {"dead": {"from": "nowhere", "share": 0.1}}},
         "inventory.dead.share: the run named in from says so"),
        ({"inventory": {"dead": {"from": "nowhere"}}}, "nowhere': no such folder"),
        ({"inventory": {"dead": {"law": "fraction", "share": 1.5}}}, "inventory.dead.share: 1.5"),
        ({"inventory": {"sei": {"share": 0.1, "status": "sure"}}}, "inventory.sei.status: 'sure'"),
        ({"protocol": steps(1, cutoff="0.1 V")}, "protocol.0.steps.0.cutoff: 0.1 V: must be below"),
    ],
)  # fmt: skip
def test_bad_input_is_told_with_place_and_way_out(changes, message):
    changes = {k: v for k, v in changes.items()}
    assert message in problems(**changes)


def test_a_counter_electrode_with_a_fault_says_nothing_of_cutoffs():
    bad = CATHODE | {"resistance": "0 ohm*m^2"}
    said = problems(counter=bad, protocol=steps(1, cutoff="-4.4 V"))
    assert "counter.resistance" in said
    assert "cutoff" not in said


def test_a_cathode_may_have_any_cutoff():
    Case.from_dict(data(counter=CATHODE, protocol=steps(1, cutoff="-4.4 V")))


def test_too_little_metal_is_said(tmp_path):
    result = run(tmp_path / "r", counter={"kind": "foil", "thickness": "1 um"}, protocol=steps(1))
    assert any("N/P = 0.412 is below 1" in text for text in result.summary["warnings"])
    assert [e["event"] for e in result.summary["events"]] == ["counter_empty", "cutoff"]


def test_a_run_without_dead_metal_gives_no_share(tmp_path):
    run(tmp_path / "a", protocol=steps(1)[0]["steps"][:1])
    with pytest.raises(CaseError, match="its series has no column `dead`"):
        run(tmp_path / "b", inventory={"dead": {"from": str(tmp_path / "a")}})
