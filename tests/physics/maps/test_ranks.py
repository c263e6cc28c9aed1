"""One map on 1, 2 and 3 ranks gives equal results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.physics.maps.drawn import case, driven

MAT: dict[str, Any] = {
    "geometry": {
        "family": "fibre_mat", "width": "30 um", "gap": "5 um", "separator": "10 um",
        "contacts": "none", "size": "3 um",
        "layers": [{"name": "mat", "thickness": "30 um", "porosity": 0.81,
                    "fibre_diameter": "6 um"}],
    },
    "regions": {"host_mat": {"material": "Cu"}, "separator": {"material": "polyolefin"}},
}  # fmt: skip


def numbers(folder: str) -> dict[str, float]:
    """All numbers that a map of a floating mat under Li2O makes, by a direct solver."""
    coating = [{"on": "host_mat", "material": "Li2O", "thickness": "10 nm"}]
    given = case(None, driven(kind="conduction"), **MAT, coatings=coating,
                 solver={"kind": "direct"})  # fmt: skip
    said = given.run(Path(folder), overwrite=True).summary
    found = {k: v for k, v in said.items() if k.startswith("E_") or k == "uniformity"}
    whole = abs(said["flux"]["counter"])
    found |= {f"flux {k}": v / whole for k, v in said["flux"].items()} | {"flux": whole}
    for wall, flux in said["wall_flux"].items():
        found |= {f"{wall} {way}": value / whole for way, value in flux.items()}
    return found


@pytest.mark.parametrize("ranks", [pytest.param(2, marks=pytest.mark.full), 3])
def test_ranks_agree(
    tmp_path: Path, mpirun: Callable[..., Any], reached: Callable[..., None], ranks: int
) -> None:
    alone = numbers(str(tmp_path / "one"))
    together = mpirun(ranks, numbers, str(tmp_path / "many"))
    assert together.keys() == alone.keys()
    gaps = {k: abs(together[k] - v) / (abs(v) if k.startswith("E_") else 1.0)
            for k, v in alone.items() if v is not None}
    reached("largest difference of any number", max(gaps.values()), most=1e-9)
