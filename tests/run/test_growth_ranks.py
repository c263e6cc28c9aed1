"""Ranks that hold no pore: most of a thick separator's, where no metal can grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fem.case import Case
from fem.compat import MPI
from fem.domain import Domain
from fem.parallel import on_root
from fem.run import mesh_folder

from .cases import GROWING

NUMBERS = ("t", "voltage", "plated", "dead", "c_min", "c_max", "xi_max", "tip", "islands")


def thick(folder: str, kind: str) -> dict[str, Any]:
    """Growth below a separator six times as thick as the pores; runs on every rank."""
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
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "16 s"},
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "8 s", "cutoff": "0.5 V"},
    ]
    data["solver"] |= {"kind": kind}
    case = Case.from_dict(data)
    comm = MPI.COMM_WORLD
    domain = Domain.read(on_root(comm, mesh_folder, case), comm)
    pores = int((domain.cell_tag_array == domain.regions["electrolyte"]).sum())
    result = case.run(folder, comm=comm)
    found = {name: np.asarray(result.series[name]).tolist() for name in NUMBERS}
    return found | {"pores": comm.allgather(pores)}


def test_ranks_without_pores_take_part(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    """4 ranks, at least one of them without a pore, against one: same steps, 1e-9."""
    for kind in ("direct", "iterative"):
        alone = thick(str(tmp_path / f"{kind}1"), kind)
        shared = mpirun(4, thick, str(tmp_path / f"{kind}4"), kind, timeout=300)
        assert min(shared["pores"]) == 0 and sum(shared["pores"]) > 0
        assert len(shared["t"]) == len(alone["t"])
        gaps = {
            name: np.abs(np.subtract(shared[name], alone[name])).max()
            / max(np.abs(alone[name]).max(), 1e-300) for name in NUMBERS
        }
        print("ranks without pores", kind, len(alone["t"]), gaps)
        assert max(gaps.values()) < 1e-9
