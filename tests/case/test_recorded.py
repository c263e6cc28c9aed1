"""A written case is complete: it computes the same, elsewhere and with another library."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.case.case import _written
from fem.case.files import case_names, to_toml
from fem.case.geometry import geometry_parameters
from fem.materials import library
from geometries.building import build, key
from geometries.inspection.gallery import EXAMPLES, _as_it_is, _drawn, _pictured
from geometries.registry import resolve
from geometries.resolution import chosen_left_out, spelled_out
from tests.case.base import BASE, EVERYTHING, another_library, changed
from tests.conftest import ROOT


def again(case: Case, folder: Path | None = None) -> Case:
    """The case from its own text, read in another folder."""
    return Case.from_dict(tomllib.loads(case.to_toml()), folder=folder)


@pytest.mark.parametrize("name", sorted(case_names()))
def test_every_case_of_the_catalogue_reads_back(name: str, tmp_path: Path) -> None:
    case = Case.load(name)
    full = case.recorded()
    back = again(full, tmp_path)
    assert back == full
    assert back.recorded().to_toml() == full.to_toml()
    assert back.physics_hash("m") == case.physics_hash("m")
    assert back.library_digest() == case.library_digest()
    if case.geometry is not None:
        model = spelled_out(geometry_parameters(case.sized_geometry or {}))
        assert geometry_parameters(back.sized_geometry or {}) == model
        # what the model has and the text lacks is nothing (None)
        assert back.geometry is not None and back.geometry.keys() >= {
            key for key, value in model.model_dump().items() if value not in (None, (), {})
        }


@pytest.mark.parametrize("family", sorted(EXAMPLES.keys() - {"image", "cad"}))
def test_every_family_reads_back(family: str) -> None:
    for example in EXAMPLES[family]:
        model = geometry_parameters({"family": family, **example})
        data = tomllib.loads(to_toml({"geometry": {"family": family, **_written(model)}}))
        assert geometry_parameters(data["geometry"]) == model


TWO = [
    {"name": "low", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um"},
    {"name": "high", "thickness": "12 um", "porosity": 0.79, "fibre_diameter": "3 um"},
]
#: Whose layers have walls of their own, and round fibres, which all get the finest.
LAYERED: dict[str, list[dict[str, Any]]] = {
    "fibre_mat": [
        {"width": "40 um", "separator": "5 um", "growth": 1.6, "layers": TWO},
        {"width": "40 um", "separator": "5 um", "growth": 1.6,
         "layers": [TWO[0] | {"skin": {"name": "zno", "thickness": "0.5 um"}}, TWO[1]]},
        {"width": "40 um", "separator": "5 um", "size_wall": "1 um", "layers": TWO},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("family", "k"), [
    *((family, 0) for family in sorted(EXAMPLES)), ("fibre_mat", -3), ("fibre_mat", -2),
    ("fibre_mat", -1),
])  # fmt: skip
def test_a_written_geometry_gives_the_same_mesh_bit_by_bit(
    family: str, k: int, tmp_path: Path
) -> None:
    example = [*EXAMPLES[family], *LAYERED.get(family, [])][k]
    given = {"image": _pictured, "cad": _drawn}.get(family, _as_it_is)(example, tmp_path)
    model = resolve(family, given)
    text = to_toml({"geometry": _written(spelled_out(model))})
    written = tomllib.loads(text)["geometry"]
    assert chosen_left_out(resolve(family, written)) == chosen_left_out(model)
    assert key(family, written) == key(family, given)
    if spelled_out(model) != model:
        assert resolve(family, written) != model
        one, two = (build(family, g, tmp_path / n) for g, n in ((given, "a"), (written, "b")))
        assert one["hash"] == two["hash"]


def test_an_image_is_known_by_its_content(tmp_path: Path) -> None:
    """Also from another folder; changed since, it is refused."""
    numpy = pytest.importorskip("numpy")
    labels = numpy.zeros((12, 12), dtype=numpy.uint8)
    labels[8:, 4:8] = 1
    numpy.save(tmp_path / "i.npy", labels)
    geometry = {"family": "image", "file": "i.npy", "voxel": "1 um",
                "regions": {"0": "electrolyte", "1": "host_frame"}}
    data = changed({"geometry": geometry, "regions": {"host_frame": {"material": "Cu"}}})
    case = Case.from_dict(data, folder=tmp_path)
    text = case.recorded().to_toml()
    back = Case.from_dict(tomllib.loads(text), folder=Path("/"))
    assert back.physics_hash() == case.physics_hash()
    numpy.save(tmp_path / "i.npy", labels.T)
    with pytest.raises(CaseError, match=r"content: .*i.npy has changed; leave content out"):
        Case.from_dict(tomllib.loads(text), folder=Path("/"))


MAT = {"family": "fibre_mat", "width": "30 um", "layers": [
    {"name": "mat", "thickness": "20 um", "porosity": 0.8, "fibre_diameter": "4 um"}]}


def test_defaults_of_the_geometry_are_written_out() -> None:
    text = Case.from_dict(changed({"geometry": MAT, "regions": {"host_mat": {"material": "Cu"}}})
                          ).recorded().to_toml()
    assert {"clearance = 0.1", "contact_width = 0.3", "growth = 1.3", "seed = 1"} <= set(
        text.splitlines()
    )


def test_every_number_goes_with_source_and_status() -> None:
    case = Case.from_dict(BASE).recorded()
    assert set(case.library["metal"]) == {"Li"} and set(case.library["solid"]) == {"Cu"}
    copper = library.solid("Cu").sigma
    assert case.library["solid"]["Cu"]["sigma"] == {
        "value": copper.given, "source": copper.source, "status": copper.status,
    }
    assert {"Li/Li", "Li/Cu"} == {key.rpartition("/")[0] for key in case.library["pair"]}
    assert "# Numbers of the material library" in case.to_toml()


def test_own_materials_tables_and_everything_else_stay(tmp_path: Path) -> None:
    (tmp_path / "D.csv").write_text("c [mol/L],D [m2/s]\n0,3e-10\n2,1e-10\n")
    own = {"kind": "electrolyte", "c0": "1 mol/L", "kappa": "1 S/m", "t_plus": 0.4,
           "D": {"table": "D.csv", "of": "c"}}
    data = changed({"materials": {"mine": own}, "electrolyte": "mine"}, EVERYTHING)
    case = Case.from_dict(data, folder=tmp_path)
    (tmp_path / "D.csv").unlink()
    back = again(case.recorded(), tmp_path / "elsewhere")
    assert "mine" not in back.library.get("electrolyte", {})
    assert back.materials["mine"]["D"]["along"] == "c"
    assert back.physics_hash() == case.physics_hash()


def test_numbers_of_a_written_case_win_over_another_library() -> None:
    case = Case.from_dict(BASE)
    before, nucleation = case.library_digest(), float(case.pair_data("Cu").eta_nuc)
    c0 = float(library.electrolyte("LiPF6_EC_EMC_3_7").c0)
    text = case.recorded().to_toml()
    with another_library():
        assert case.library_digest() != before
        old = Case.from_dict(tomllib.loads(text))
        assert old.library_digest() == before
        assert float(old.pair_data("Cu").eta_nuc) == nucleation
        assert float(case.pair_data("Cu").eta_nuc) == 0.123
        filling = library.material("LiPF6_EC_EMC_3_7", old.fillings)
        assert isinstance(filling, library.Electrolyte) and float(filling.c0) == c0
        # what this case did not use is taken from the library of today
        other = old.with_({"metal": "Na", "electrolyte": "NaPF6_EC_PC"})
        assert other.pair_data("Na") == library.pair("Na", "Na", "NaPF6_EC_PC")


def test_a_law_that_has_changed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from fem.materials.laws import LAWS

    text = Case.from_dict(BASE).recorded().to_toml()
    law = LAWS["kappa"]["nyman2008"]
    for other in (lambda c, T: 1.001 * law(c, T), lambda c, T: law(c, T) * T / 298.15):
        monkeypatch.setitem(LAWS["kappa"], "nyman2008", other)
        with pytest.raises(CaseError, match=r"library\.electrolyte.*nyman2008 has changed.*gave"):
            Case.from_dict(tomllib.loads(text))
    monkeypatch.undo()
    assert Case.from_dict(tomllib.loads(text)).library


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('value = "5.8e7 S/m"', 'value = "5.8e7 S"', r"library\.solid\.Cu\.sigma.*another kind"),
        ("[library.solid.Cu]", "[library.solids.Cu]", "library.solids"),
        ('status = "checked"', 'status = "sure"', "status: 'sure' is not one of"),
        ("nyman2008", "nyman2009", "did you mean 'nyman2008'"),
    ],
)
def test_faulty_numbers_are_refused_with_their_place(old: str, new: str, reason: str) -> None:
    text = Case.from_dict(BASE).recorded().to_toml()
    assert old in text
    with pytest.raises(CaseError, match=reason):
        Case.from_dict(tomllib.loads(text.replace(old, new, 1)))


def test_another_mesh_file_or_hook_is_refused(tmp_path: Path) -> None:
    mesh, hook = tmp_path / "m.msh", tmp_path / "laws.py"
    mesh.write_text("one")
    law = "def law(eta, i0, alpha_a, alpha_c, T): return i0 * eta\n"
    hook.write_text(law)
    data = changed({"geometry": None, "mesh": {"file": "m.msh", "unit": "um"},
                    "hooks": {"module": "laws.py"}})
    case = Case.from_dict(data, folder=tmp_path)
    text = case.recorded().to_toml()
    back = Case.from_dict(tomllib.loads(text), folder=Path("/"))
    assert back.physics_hash("m") == case.physics_hash("m")
    mesh.write_text("two")
    hook.write_text(law + "# other\n")
    with pytest.raises(CaseError) as caught:
        Case.from_dict(tomllib.loads(text), folder=Path("/"))
    assert re.search(r"mesh\.sha256: .*m\.msh is not the file", str(caught.value))
    assert re.search(r"hooks\.sha256: .*laws\.py is not the file", str(caught.value))
    assert "delete sha256 to take the new one" in str(caught.value)


def test_nobody_reads_the_library_past_the_case() -> None:
    """All code that computes with a case asks it: numbers that it carries would else be missed."""
    past = re.compile(r"library\.(pair|metal)\(|[^.\w](pair|metal)\(case\.|own=case\.materials|"
                      r"material\([^()]*case\.materials")
    for path in (ROOT / "fem").rglob("*.py"):
        if path.name != "listing.py" and "materials" not in path.parts:
            assert not past.search(path.read_text(encoding="utf-8")), path


def test_the_text_is_that_of_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fem.cli import main

    (tmp_path / "mine.toml").write_text(to_toml(BASE))
    assert main.main(["show", os.fspath(tmp_path / "mine.toml")]) == 0
    assert capsys.readouterr().out == Case.from_dict(BASE).recorded().to_toml()


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    from fem.case.files import read_toml

    (tmp_path / "old.toml").write_bytes(b'schema = 1\r\ntitle = "M\xfcller"\r\n')
    with pytest.raises(CaseError, match=r"cannot be read: line 2 is not UTF-8 text \(byte 0xfc\)"):
        read_toml(tmp_path / "old.toml")
    (tmp_path / "new.toml").write_bytes('\ufeffschema = 1\r\ntitle = "Müller"\r\n'.encode())
    assert read_toml(tmp_path / "new.toml") == {"schema": 1, "title": "Müller"}
