"""Films in a case: bad input, data and their status, studies that keep the film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fem import Case, CaseError
from fem.materials.interphase import interphase, names
from fem.mesh.domain import Domain
from fem.physics.sei.laws import LAWS
from fem.physics.sei.table import Sei, notes
from fem.run.session import run
from fem.study.build import build
from tests.physics.sei.films import cycled, on
from tests.verification.cells import MPI, mesh_folder

PLATE = {"step": "plate", "current_density": "10 A/m^2", "duration": "10 s"}
#: Thickness that falls along the collector.
SLOPE = {"expression": "1e-8 - 4e-4*x", "unit": "m"}


def made(film: dict[str, Any], **changes: Any) -> None:
    """Read a case with a film, and make its system."""
    checked = Case.from_dict(cycled(film, PLATE, **changes))
    build(checked, Domain.read(mesh_folder(checked, MPI.COMM_WORLD)))


@pytest.mark.parametrize(("film", "message"), [
    (on("collector", "tunnel"), "sei.0: law 'tunnel' needs beta, which 'SEI_Li' does not know"),
    ({"on": "collector", "law": "mixed"}, "needs n, V, resistivity, L0, k0, D_EC, c_EC, U"),
    (on("collector", "mixed", data="SEI_li"), "sei.0.data: interphase 'SEI_li' is not in"),
    (on("collector", "root"), "sei.0.law"),
    (on("collector", "mixed", L0="-1 nm"), "sei.0.L0"),
    (on("collector", "electron", L0="0 nm"), "the first film would grow infinitely fast"),
    (on("collector", "mixed", crack={"share": 0.5}), "sei.0.crack.thickness"),
    (on("collector", "mixed", crack={"thickness": "1 um", "share": 1.5}), "sei.0.crack.share"),
    (on("collector", "mixed", crack={"thickness": "1 um", "fresh": "6 nm"}),
     "is more than the film has at the start, 5 nm"),
    (on("collector", "electron", crack={"thickness": "1 um", "fresh": "0 nm"}),
     "sei.0.crack.fresh: 0 m"),
    (on("colector", "mixed"), "did you mean 'collector'"),
    (on("collector", "mixed", L0="60 um"), "thicker than the gap between electrodes, 100 um"),
    (on("collector", "mixed", D_EC="1e-18 m"), "sei.0.D_EC"),
    (on("collector", "mixed", L0=SLOPE), "sei.0.L0: falls to -10 nm on this mesh; at least 0 m"),
    (on("collector", "mixed", L0=SLOPE, crack={"thickness": "1 um"}), "sei.0.crack.fresh: missing"),
])  # fmt: skip
def test_what_a_film_cannot_be(film: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as error:
        made(film)
    assert message in str(error.value)


def test_data_of_another_metal_are_told() -> None:
    films = [Sei.model_validate(on("collector", "mixed")), Sei(on="host", law="mixed")]
    assert list(notes({"metal": "Li", "sei": films})) == []
    (note,) = notes({"metal": "Zn", "sei": films})
    assert note.startswith("sei.0.data: 'SEI_Li' has the numbers of a film of Li, and the case")


def test_primary_distributions_have_no_film() -> None:
    with pytest.raises(CaseError, match="sei: only for study"):
        made(on("collector", "mixed"), study="primary")


def test_data_have_sources() -> None:
    """Each number has a source; those of graphite stand in for lithium as assumptions."""
    assert names() == ["SEI_Li", "SEI_graphite"]
    for name in names():
        for datum, number in interphase(name).numbers().items():
            assert number.source and number.status, (name, datum)
    assert float(interphase("SEI_Li").resistivity) == 2e5
    assert {n.status for n in interphase("SEI_Li").numbers().values()} == {"assumed"}
    assert interphase("SEI_graphite").V.status == "checked"
    known = interphase("SEI_Li").numbers()
    assert [n for n, law in LAWS.items() if not {*law.needs} <= {*known}] == ["tunnel"]


def test_growth_keeps_the_film(tmp_path: Path) -> None:
    """The front carries the film of the start as the same resistance given by hand would do.

    The run tells, too, that the numbers of the film are those of lithium.
    """
    from tests.verification.cells import PLAIN, case, kinetics

    data = case(
        study="growth", metal="Na", materials={"ideal": PLAIN},
        geometry={"family": "planar", "length": "20 um", "width": "2 um", "size": "0.5 um"},
        kinetics=[kinetics(n, 10.0) for n in ("collector", "counter", "metal")],
        initial={"metal_layer": "4 um"}, growth={"interface_width": "1 um"},
        protocol=[{"step": "plate", "current_density": "50 A/m^2", "duration": "1 s"}],
    )
    film = on("collector", "mixed", L0="50 nm")
    by_hand = [
        k | ({} if k["surface"] == "counter" else {"film_resistance": "0.01 ohm*m^2"})
        for k in data["kinetics"]
    ]
    ours = run(Case.from_dict(data | {"sei": [film]}), tmp_path / "film")
    theirs = run(Case.from_dict(data | {"kinetics": by_hand}), tmp_path / "hand")
    assert ours.summary["voltage"] == pytest.approx(theirs.summary["voltage"], rel=1e-12)
    assert ours.summary["voltage"] < -0.5
    warnings = "\n".join(ours.summary["warnings"])
    assert "growth study keeps the film" in warnings and "numbers of a film of Li" in warnings
