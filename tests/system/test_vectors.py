"""Currents and fluxes in files: their means are what the cell passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY
from fem.results.result import Result

CASE = {
    "schema": 1, "title": "A block in salt", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {"family": "planar", "width": "20 um", "size": "2.5 um", "layers": [
        {"name": "block", "thickness": "10 um", "region": "host_block"},
        {"name": "free", "thickness": "40 um", "region": "electrolyte"}]},
    "regions": {"host_block": {"material": "Cu"}},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 s"}],
    "output": {"figures": False, "vectors": True},
}  # fmt: skip


def mean(result: Result, name: str, block: str) -> np.ndarray:
    """A vector averaged over a block by area."""
    corners = result.points(block)[result.cells(block)][:, :, :2]
    area = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    return np.average(result.array(name, block=block), axis=0, weights=area)


@pytest.mark.parametrize("study", ["secondary", "steady"])
def test_current_is_that_of_the_cell(study: str, tmp_path: Path) -> None:
    """10 A/m2 go down, by electrons in the block and by ions above it; at rest no anion moves.

    The mean over a block is exact: rows are tested with y, among others. On each cell it is right
    as far as kappa and t_plus, which follow c, are constant on it: to half of what c changes by.
    """
    result = Case.from_dict(CASE | {"study": study}).run(tmp_path / study)
    c = result.array("c") if study == "steady" else np.ones(1)
    change = 0.5 * np.ptp(c) / c.mean() / 16.0  # 16 cells of 2.5 um
    assert change < 1e-3
    for name, block in {"i_s": "solid", "i_l": "pore"}.items():
        values = result.array(name, block=block)
        assert result.center(name, block) == "Cell" and values.shape[1] == 3
        assert result.declared["fields"][name]["unit"] == "A/m^2"
        assert mean(result, name, block) == pytest.approx([0.0, -10.0, 0.0], abs=1e-6 * 10.0)
        assert values[:, 1] == pytest.approx(-10.0, rel=max(change, 1e-6))
    height, phi = result.line((10e-6, 10e-6), (10e-6, 50e-6), "phi_l")
    field = mean(result, "E_l", "pore")
    assert field == pytest.approx([0.0, (phi[0] - phi[-1]) / height[-1], 0.0], abs=1e-5)
    assert field[1] < -5.0 and result.declared["fields"]["E_l"]["unit"] == "V/m"
    assert ("N_an" in result.fields("pore")) == (study == "steady")
    if study == "steady":  # of what metal ions carry, 10 A/m2 over F, anions carry nothing
        assert np.abs(mean(result, "N_an", "pore")).max() < 1e-6 * 10.0 / FARADAY
        assert np.abs(result.array("N_an")).max() < change * 10.0 / FARADAY


def test_vectors_are_asked_for(tmp_path: Path) -> None:
    """Without the key nothing more is compiled or written."""
    output = {"figures": False}
    result = Case.from_dict(CASE | {"study": "secondary", "output": output}).run(tmp_path / "a")
    assert result.fields("pore") == ["phi_l", "region"]
