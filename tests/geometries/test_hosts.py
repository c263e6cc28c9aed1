"""Every host of the catalogue is a file that can be meshed, inspected and drawn by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError
from fem.case.files import case_names, host_names
from fem.case.geometry import geometry_parameters
from fem.case.hosts import CATALOGUE, Host, load, published
from fem.cli import main
from geometries.meshing.mesh import quality
from geometries.registry import resolve

ROWS = """aligned_channels trilayer_cg four_layer_lno cdg_sponge sic_cloth gradient_pores
nanowire_li2o hollow_fibres multichannel_fibre wood_channels mof_thickness lamella_pan_cnf lgh_as
dual_gradient_ni pore_gradient_3layer yolk_shell nucleus_field hdfp_fibres bto_scaffold
protrusion_sei tip_coating_k separator_seeds""".split()
STRUCTURED = ("planar", "lamella", "laminate", "aligned_channels")  # long cells on purpose


def test_every_row_of_the_catalogue_has_its_geometry() -> None:
    assert sorted(CATALOGUE) == sorted(ROWS)
    for name, geometry in published().items():
        geometry_parameters(geometry)
        assert name in case_names() or name in host_names()
    assert set(host_names()) <= {name for names in CATALOGUE.values() for name in names}


@pytest.mark.parametrize("name", host_names())
def test_a_host_says_where_it_is_from(name: str) -> None:
    host = load(name)
    assert isinstance(host, Host)
    assert host.title and any(c.isdigit() for c in host.source)
    header = host_names()[name].read_text().split("title =")[0]
    assert "ssumed" in header and all(line.startswith("#") for line in header.split("\n") if line)


def test_a_host_is_meshed_and_inspected_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--set", "geometry.size_collector=1 um", "--set", "geometry.length=20 um"]
    assert main.main(["mesh", "protrusion_sei", "--out", str(tmp_path / "m"), *small]) == 0
    assert "regions electrolyte" in capsys.readouterr().out
    picture = tmp_path / "m.png"
    assert main.main(["inspect", "hdfp_fibres", "--png", str(picture)]) == 0
    assert "host_hdfp" in capsys.readouterr().out and picture.stat().st_size > 5000
    assert main.main(["list", "hosts"]) == 0
    assert "hdfp_fibres_3d" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "reason"), [
    (["run", "hdfp_fibres_3d"], "is a host, not a case: `hostplate mesh` and `inspect` accept it"),
    (["mesh", "tip_coating", "--out", "m"], "did you mean 'tip_coating_k'"),
    (["mesh", "tip_coating_k", "--out", "m", "--set", "geometry.hurst=2"], "geometry.hurst"),
    (["gallery", "--hosts", "--family", "foam", "--out", "g"], "use one of them"),
])  # fmt: skip
def test_what_a_host_is_not_is_said(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == CaseError.exit_code
    assert reason in capsys.readouterr().err


def test_named_hosts_are_drawn_on_one_sheet(tmp_path: Path) -> None:
    from geometries.inspection.gallery import named

    given = {n: g for n, g in published().items() if n in ("wood_channels", "tip_coating_k")}
    files = list(named(given, tmp_path))
    assert [f.name for f in files] == ["wood_channels.png", "tip_coating_k.png", "hosts.png"]
    assert all(f.stat().st_size > 2000 for f in files)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", ROWS)
def test_the_hosts_of_a_row_are_meshed(row: str, reached: Any) -> None:
    """Hosts are as their file says: porosity as asked, cells as good as promised."""
    for name in CATALOGUE[row]:
        p = resolve((geometry := published()[name])["family"], geometry)
        made = importlib.import_module(f"geometries.builders.{geometry['family']}").build(p)
        reached(f"{name}: cells", len(made.mesh.cells), least=100)
        q = quality(made.mesh.points, made.mesh.cells)
        if geometry["family"] not in STRUCTURED:
            reached(f"{name}: worst cell (SICN)", float(q.min()), least=0.05)
            reached(f"{name}: 1 % quantile", float(np.quantile(q, 0.01)), least=0.2)
