"""Examples of the documentation run as they stand."""

from __future__ import annotations

import itertools
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_every_cell_of_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skeleton that conducts worse than the pores plates from the bottom."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "first_host.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in (c for c in notebook["cells"] if c["cell_type"] == "code"):
        assert cell["outputs"] == []
        exec("".join(cell["source"]), names)
    rows = names["rows"]
    B = [row["metrics.bottom_up"] for row in rows]
    assert all(a > b for a, b in itertools.pairwise(B))
    assert B[0] > 0.0 > B[-1]
    assert sum(v for k, v in names["parts"].items() if "." not in k) == pytest.approx(
        names["result"].summary["voltage"], abs=1e-9)
    assert names["B"] == pytest.approx(B[-1], rel=1e-9)
    assert (tmp_path / "results" / "sigma" / "bottom_up.png").exists()
    picture = names["result"].plot("i_v")._repr_png_()  # what a notebook shows
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000


def test_the_example_of_optuna_finds_a_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own objective at two ends; with optuna, the best of ten is better than an even host."""
    monkeypatch.chdir(tmp_path)
    example = runpy.run_path(str(EXAMPLES / "optimise_gradient.py"))
    poor, even = (example["solved"](s, s, tmp_path / f"{s}") for s in (0.03, 100.0))
    assert poor[0] > even[0] and poor[1] < even[1]
    pytest.importorskip("optuna")
    assert example["optimise"](10, tmp_path / "g").best_value > even[0]
