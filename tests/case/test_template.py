"""Cases written by `hostplate new --family`: valid, complete, and without the story of a paper."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fem import Case, CaseError
from fem.case.summary import summary
from fem.case.template import WITH_FILE, template
from fem.cli.main import main
from geometries.inspection.gallery import EXAMPLES
from geometries.registry import FAMILIES, model

DRAWN = [(f, d) for f in FAMILIES if f not in WITH_FILE for d in (2, 3)
         if any(e.get("dimension", 2) == d for e in EXAMPLES[f])]  # fmt: skip


@pytest.mark.parametrize(("family", "dimension"), DRAWN)
def test_case_of_a_family_has_no_problems(family: str, dimension: int) -> None:
    """All names match the mesh, and every parameter of the family is there or remarked."""
    text = template(family, dimension)
    case = Case.from_dict(tomllib.loads(text))
    assert "no problems found; all names match" in summary(case)
    assert not case.source and not case.notes
    assert tomllib.loads(text)["geometry"].get("dimension", 2) == dimension
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    for name in model(family).model_fields:
        starts = (f"{name} ", f"[[geometry.{name}]]")
        assert name == "layers" or any(f"{line} ".startswith(starts) for line in lines), name


@pytest.mark.parametrize("family", sorted(WITH_FILE))
def test_case_of_a_file_asks_for_it(family: str, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Families whose shape is a file miss nothing else."""
    assert main(["new", str(tmp_path / "mine.toml"), "--family", family]) == 0
    assert main(["check", str(tmp_path / "mine.toml")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("1 problem") and len(said) == 2 and "host." in said[1]


def test_new_writes_once_and_names_what_it_cannot_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that exists stays; an unknown family and a dimension that is not made are named."""
    file = tmp_path / "mine.toml"
    assert main(["new", str(file), "--family", "fibre_mat"]) == 0
    before = file.read_text()
    assert "hostplate run mine.toml" in before
    assert main(["new", str(file), "--family", "foam"]) == 1
    assert file.read_text() == before
    assert main(["new", str(tmp_path / "b.toml"), "--family", "fibre_mut"]) == 1
    assert main(["new", str(tmp_path / "b.toml"), "--family", "laminate", "--dimension", "3"]) == 1
    said = capsys.readouterr().err
    assert "did you mean 'fibre_mat'" in said and "laminate is made in 2D only" in said
    assert not (tmp_path / "b.toml").exists()
    with pytest.raises(CaseError, match="no family"):
        template("fibre_mut")
