"""The documentation site: it builds without a warning, and has what the code has."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
import warnings
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from fem import Case, CaseError
from fem.case.files import case_names
from fem.cli.main import COMMANDS
from fem.contract.physics import named
from fem.contract.registry import CATALOGUE
from fem.materials import library
from fem.run.converge import _check_meshes, variants
from fem.run.session import mesh_folder
from geometries.registry import FAMILIES
from scripts import docs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Site of this checkout, in a theme that is quick; a warning of Sphinx is an error."""
    out, said = tmp_path_factory.mktemp("site"), io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(action="ignore"),  # Python's, of what libraries use
    ):
        code = docs.build(out, "-D", "html_theme=basic")
    assert code == 0, said.getvalue()
    return out


def test_every_page_is_listed(site: Path) -> None:
    """A page that somebody adds to docs/ needs no line anywhere to be found."""
    index = text(site, "index")
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert [name for name in sorted(pages) if f"\n{name}\n" not in index] == []


def text(site: Path, page: str) -> str:
    """The source of a page of the site."""
    return (site / "source" / f"{page}.md").read_text(encoding="utf-8")


def html(site: Path, page: str) -> str:
    """A page as a reader sees it, without marks."""
    marked = (site / "html" / f"{page}.html").read_text(encoding="utf-8")
    return unescape(re.sub(r"<[^>]+>", "", marked))


def test_theory_manual_has_the_equations_of_every_page(site: Path) -> None:
    """Pages of docs/physics are picked up without being named anywhere else."""
    manual = html(site, "theory")
    pages = [p for p in (ROOT / "docs" / "physics").glob("*.md") if p.stem != "README"]
    assert {place.partition(":")[0].rpartition(".")[2] for place in named(CATALOGUE)} <= {
        page.stem for page in pages}  # fmt: skip
    manual = " ".join(manual.split())
    with_equations = 0
    for page in pages:
        title, _, body = page.read_text(encoding="utf-8").partition("\n")
        equations = [line for line in body.partition("\n## Equations")[2].partition("\n## ")[0]
                     .splitlines() if line.startswith("    ")]  # fmt: skip
        for line in equations:
            assert " ".join(line.split()) in manual, f"{page.name}: {line}"
        with_equations += bool(equations)
        assert f"More: {title.removeprefix('# ').lower()}." in manual or not equations
        assert (site / "html" / "physics" / f"{page.stem}.html").is_file()
    assert with_equations >= 9


def test_nothing_of_the_catalogue_is_missing(site: Path) -> None:
    """Cases with outcomes, families with pictures and parameters, materials, keys, commands."""
    gallery, families = text(site, "cases"), text(site, "families")
    for name in case_names():
        entry = gallery.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert "**Outcome**" in entry and "**Source**" in entry, name
    for name in FAMILIES:
        entry = families.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert f"families/{name}.png" in entry and "| parameter |" in entry, name
    materials = text(site, "materials")
    assert all(f"\n### {name}\n" in materials
               for kind in {row[0] for row in library.rows()} for name in library.names(kind))
    assert materials.count("| assumed |") == library.status_counts()["assumed"]
    assert "`regions.<name>.bridge_sigma`" in text(site, "case-format")
    assert all(f"hostplate {name}" in html(site, "commands") for name, _, _ in COMMANDS)


def test_public_face_is_documented(site: Path) -> None:
    """Signatures and docstrings of cases, results and what a physics declares."""
    shown = " ".join(html(site, "api").split())
    for name in ("Case.load", "with_", "class fem.results.result.Result", "line(", "CaseError",
                 "class fem.contract.physics.Physics", "class fem.system.system.System"):
        assert name in shown, name


def first_page() -> Case:
    """The case that `docs/start.md` writes."""
    page = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    return Case.from_dict(
        tomllib.loads(page.partition("```toml mine.toml\n")[2].partition("```")[0]))


def test_the_first_page_asks_for_meshes_that_can_be_made() -> None:
    """Fibres of cells four times as large are no discs any more; the message says what to do."""
    coarse = variants(first_page())["mesh"][0]
    assert mesh_folder(coarse).is_dir()
    reason = (r"converge: mesh 1 of 3, cells 4 times those of the case, cannot be made: .*"
              r"porosity.*; leave out --quick, which takes meshes twice as coarse, or give smaller")
    with pytest.raises(CaseError, match=reason):
        _check_meshes(variants(first_page(), quick=True)["mesh"], quick=True)


@pytest.mark.undisturbed
def test_the_case_of_the_first_page_is_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A coarser mesh and a shorter time suffice: gold takes the current."""
    quick = {"output": {"figures": False}, "geometry.size_wall": "1 um",
             "geometry.size": "4 um", "protocol.0.duration": "1 min"}  # fmt: skip
    case = first_page().with_(quick)
    result = case.run(tmp_path / "mine")
    shares: Callable[[str], float] = result.summary["share_by_region"].get
    assert shares("host_bottom") > 0.99
    bare = case.with_({"coatings": []}).run(tmp_path / "bare")
    assert bare.summary["share_by_region"]["host_bottom"] < shares("host_bottom")
