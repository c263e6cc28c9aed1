"""Start of a small job: no waiting for libraries it does not need or meshes that exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fem.mesh import components

SMALL = """
schema = 1
title = "Li | salt | Li"
metal = "Li"
electrolyte = "LiPF6_EC_EMC_3_7"
study = "tertiary"

[geometry]
family = "planar"
length = "100 um"
size = "10 um"

[[protocol]]
step = "plate"
current_density = "1 mA/cm^2"
duration = "5 s"

[output]
figures = false
"""
RUN = """
import json, sys
from fem.cli.main import main
code = main(["run", "small.toml", "--out", sys.argv[1]])
print(json.dumps(sorted({"pint", "scipy", "matplotlib", "gmsh", "ssl"} & set(sys.modules))))
sys.exit(code)
"""


def test_a_small_run_loads_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    """Its mesh is in the cache, its units in the own table, its graphs small."""
    (tmp_path / "small.toml").write_text(SMALL)
    for k in range(2):
        done = subprocess.run(
            [sys.executable, "-c", RUN, f"out{k}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("links", [0, 30, 200, 400])
def test_parts_of_a_graph_are_those_of_scipy(links: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, on random graphs and on a chain in any order."""
    draw = np.random.default_rng(links)
    chain = draw.permutation(300)
    for rows, columns in (draw.integers(0, 300, (2, links)), (chain[:-1], chain[1:])):
        monkeypatch.setattr(components, "MANY", 10_000)
        own = components.linked(300, rows, columns)
        monkeypatch.setattr(components, "MANY", -1)
        of_scipy = components.linked(300, rows, columns)
        assert own[0] == of_scipy[0]
        assert own[1].tolist() == of_scipy[1].tolist()
    assert own[0] == 1
