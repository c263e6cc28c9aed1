"""Growth on ranks that hold no pore, most of a thick separator's, and walls that get covered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fem import Case
from fem.base.parallel import on_root
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.run.session import mesh_folder, resume
from tests.run.cases import GROWING, state_of
from tests.run.test_restart_ranks import until

NUMBERS = (
    "t", "voltage", "plated", "dead", "c_min", "c_max", "salt_out", "xi_max", "tip", "islands",
)


def given(kind: str, film: bool, plated: float = 16.0) -> dict[str, Any]:
    """Growth below a separator six times as thick as the pores, with a floating ball of metal.

    Args:
        kind: of solver.
        film: metal starts as a film that forgets its barrier within 16 s; else as nuclei.
        plated: s; it is stripped for half as long.
    """
    data = json.loads(json.dumps(GROWING))
    data["geometry"]["layers"] = [
        {"name": "bottom", "thickness": "0.5 um", "region": "host_bottom"},
        {"name": "free", "thickness": "6 um", "region": "electrolyte"},
        {"name": "felt", "thickness": "36 um", "region": "separator"},
    ]
    data["geometry"] |= {"size": "0.4 um", "size_width": "0.4 um"}
    data["regions"]["separator"] = {"material": "polyolefin"}
    data["growth"]["interface_width"] = "0.6 um"
    data["nuclei"][0]["radius"] = "2.4 um"
    data["initial"]["metal_layer"] |= {"b": "4.5 um"}
    data["protocol"] = [
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": f"{plated} s"},
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": f"{plated / 2} s",
         "cutoff": "0.5 V"},
    ]
    data["solver"] |= {"kind": kind}
    if film:
        del data["nuclei"]
        data["kinetics"] = [
            {"surface": "host_bottom", "eta_nuc": "8 mV", "q_cov": "150 C/m^2", "i0": "50 A/m^2"}
        ]
    return data


def thick(kind: str, film: bool, plated: float = 16.0) -> Case:
    """Case with the tables of `given`."""
    return Case.from_dict(given(kind, film, plated))


def solved(folder: str, kind: str, film: bool) -> dict[str, Any]:
    """Its numbers, and how many pore cells each rank has; runs on every rank."""
    case, comm = thick(kind, film, plated=6.0), MPI.COMM_WORLD
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    pores = int((domain.cell_tag_array == domain.regions["electrolyte"]).sum())
    result = case.run(folder, comm=comm)
    found = {name: np.asarray(result.series[name]).tolist() for name in NUMBERS}
    return found | {"pores": comm.allgather(pores)}


def both(folder: str) -> list[dict[str, Any]]:
    """Nuclei with direct solvers and a film with iterative ones, in one job."""
    kinds = [("direct", False), ("iterative", True)]
    return [solved(f"{folder}/{kind}", kind, film) for kind, film in kinds]


def test_ranks_without_pores_take_part(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    """2 ranks, one of them without a pore, against one: same steps, 1e-9."""
    together = mpirun(2, both, str(tmp_path / "2"), timeout=300)
    for shared, alone in zip(together, both(str(tmp_path / "1")), strict=True):
        assert min(shared["pores"]) == 0 and sum(shared["pores"]) > 0
        assert len(shared["t"]) == len(alone["t"])
        gaps = {
            name: np.abs(np.subtract(shared[name], alone[name])).max()
            / max(np.abs(alone[name]).max(), 1e-300) for name in NUMBERS
        }
        print("ranks without pores", shared["pores"], len(alone["t"]), gaps)
        assert max(gaps.values()) < 1e-9


def test_a_wall_that_is_half_covered_goes_on(tmp_path: Path) -> None:
    """Stopped after three steps and resumed, to the last bit."""
    case = thick("direct", film=True)
    whole = case.run(tmp_path / "whole")
    with until(3):
        case.run(tmp_path / "half")
    covered = state_of(tmp_path / "half")["0.covered_host_bottom"]
    some = covered[(covered > 0.1) & (covered < 0.99)]  # metal of the start covers its share
    print("covered", some)
    assert len(some) > 1
    again = resume(tmp_path / "half")
    for name in NUMBERS:
        np.testing.assert_array_equal(again.series[name], whole.series[name], err_msg=name)


def test_what_a_run_covered_is_taken_over(tmp_path: Path) -> None:
    """`initial.from`: bare walls begin as covered as they were left, and go on from there."""
    plate = {"step": "plate", "current_density": "1 mA/cm^2"}
    data = given("direct", film=True) | {"protocol": [plate | {"duration": "16 s"}]}
    Case.from_dict(data).run(tmp_path / "a")
    data |= {"initial": {"from": str(tmp_path / "a")}, "protocol": [plate | {"duration": "4 s"}]}
    Case.from_dict(data).run(tmp_path / "b")
    left, then = (state_of(tmp_path / n)["0.covered_host_bottom"] for n in "ab")
    bare = (left > 0.1) & (left < 0.99)
    print("covered", left[bare], then[bare])
    assert bare.sum() > 1
    assert np.all(then[bare] > left[bare]) and np.all(then[bare] < left[bare] + 0.3)
