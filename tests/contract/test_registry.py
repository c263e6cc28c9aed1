"""The registry: order, names taken twice, who takes part."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel

from fem.base.errors import CaseError
from fem.case.names import problems, unmatched
from fem.contract import registry
from fem.contract.physics import Column, Field, Figure, Physics, Place
from fem.contract.registry import Registry, checked, only_in, with_own
from fem.values.kinds import Table
from fem.values.properties import Property, PropertyOf
from fem.values.units import Quantity
from tests.conftest import environment


class Plain(Table):
    """A table."""


class Free(Table):
    """A table with a key that a resumed run may change."""

    least: float | None = None


class Misdeclared(Table):
    """A table whose author mistyped a unit."""

    D: Annotated[float, Quantity("m^2/z", gt=0)]


class Odd(Table):
    """A table whose author mistyped what a property may depend on."""

    k: Annotated[Property, PropertyOf("W/m/K", ("dephth",))] | None = None


class Outer(Table):
    """A table with others in it."""
    inner: tuple[Misdeclared, ...] = ()


def _of(*physics: Physics) -> Registry:
    return Registry((p, f"here {k}") for k, p in enumerate(physics))


def test_each_follows_those_that_it_names() -> None:
    heat, ions, walls = (
        Physics("heat", "", after=("walls",)), Physics("ions", ""),
        Physics("walls", "", after=("ions",)),
    )  # fmt: skip
    assert [p.name for p in _of(heat, ions, walls).physics] == ["ions", "walls", "heat"]


@pytest.mark.parametrize(
    ("physics", "reason"),
    [
        ([Physics("heat", ""), Physics("heat", "")],
         "physics 'heat' is there twice: from here 0 and from here 1; rename one of them"),
        ([Physics("a", "", fields=(Field("T", "K", "T"),)),
          Physics("b", "", fields=(Field("T", "K", "T"),))],
         "field 'T' is declared twice: by 'a' (here 0) and by 'b' (here 1)"),
        ([Physics("a", "", columns=(Column("T_max"), Column("T_max")))],
         "column 'T_max' is declared twice: by 'a' (here 0) and by 'a' (here 0)"),
        ([Physics(name, "", figures=(Figure("f", ""),)) for name in ("a", "b")],
         "figure 'f' is declared twice"),
        ([Physics("a", "", fields=(Field("T", "K", "T"),), figures=(
            Figure("f", "", maps=("t",)),))],
         "figure 'f' of physics 'a' (here 0): nobody declares its field 't'; did you mean 'T'?"),
        ([Physics("a", "", columns=(Column("x", after="y"),))],
         "column 'x' stands behind 'y', which nobody declares"),
        ([Physics(name, "", table=Plain, section="growth") for name in ("a", "b")],
         "physics 'b' (here 1): a case has a table of that name already"),
        ([Physics("heat", "", after=("wals",)), Physics("walls", "")],
         "'heat' (here 0) is declared after 'wals', which does not exist; did you mean 'walls'?"),
        ([Physics("a", "", after=("b",)), Physics("b", "", after=("a",))],
         "in a circle: a after b; b after a"),
        ([Physics("a", "", studies=frozenset({"growth", "terciary"}))],
         "physics 'a' (here 0): studies: 'terciary' does not exist; did you mean 'tertiary' or"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_an_error(physics: list[Physics], reason: str) -> None:
    with pytest.raises(CaseError, match=re.escape(reason)):
        _of(*physics)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"columns": (Column("probe.top"),)}, "Column('probe.top'): probes have such names"),
        ({"fields": (Field("a", "mol/m^3", "a", "electrolyt"),)},  # type: ignore[arg-type]
         "Field('a'): medium = 'electrolyt': it should be 'all', 'electrolyte', 'conductor' or"),
        ({"fields": (Field("a", "mol/mm3x", "a"),)},
         "Field('a'): 'mol/mm3x' is not a unit; write an SI unit"),
        ({"columns": (Column("a", "kgg"),)}, "Column('a'): unit 'kgg' is unknown"),
        ({"free": frozenset({"lest"}), "table": Free}, "no key 'lest'; did you mean 'least'?"),
        ({"free": frozenset({"least"})}, "free: its table has no key 'least'"),
        ({"studies": "tertiary"}, "studies = 'tertiary': it should be a valid frozenset; it is"),
        ({"after": "ions"}, "after = 'ions': it should be a valid tuple; of one entry it is"),
        ({"figures": Figure("f", "")}, "of one entry it is written (entry,)"),
        ({"table": BaseModel}, "table = BaseModel: must be a subclass of fem.values.kinds.Table"),
        ({"table": {"c0": 1.0}}, "table = {'c0': 1.0}: it should be"),
        ({"table": Misdeclared}, "Misdeclared.D: unit 'm^2/z' is unknown or cannot be"),
        ({"table": Outer}, "Misdeclared.D: unit 'm^2/z' is unknown"),
        ({"table": Odd}, "Odd.k: nothing depends on 'dephth'; did you mean 'depth'"),
        ({"check": "lines"}, "check = 'lines': it should be callable"),
    ],
)  # fmt: skip
def test_a_wrong_entry_of_a_record_is_named(entries: dict[str, Any], reason: str) -> None:
    with pytest.raises(CaseError, match=re.escape(reason)) as wrong:
        checked(Physics("damp", "", **entries), "hooks.module: 'damp.py'")
    assert str(wrong.value).startswith("hooks.module: 'damp.py': physics 'damp': ")


def test_the_records_of_this_package_pass_the_same_check() -> None:
    for physics in with_own().physics:
        assert checked(physics, "here") is physics


def test_a_check_that_fails_is_its_authors_mistake() -> None:
    """A text is one line; what raises, or gives something else, is named with its physics."""
    line: Any = lambda _: "a: 3: wrong"  # noqa: E731
    assert [*_of(Physics("a", "", check=line)).problems({})] == ["a: 3: wrong"]
    wrong: list[tuple[Any, str]] = [
        (lambda s: s["least"], "physics 'a' (here 0): check fails: KeyError: 'least'"),
        (lambda _: None, "physics 'a' (here 0): check gives None; it must yield each as str"),
        (lambda _: [3], "physics 'a' (here 0): check gives 3; it must yield each as str"),
    ]
    for check, reason in wrong:
        with pytest.raises(CaseError, match=re.escape(reason)):
            [*_of(Physics("a", "", check=check)).problems({})]
    places: Any = lambda _: ["wall"]  # noqa: E731
    with pytest.raises(CaseError, match=re.escape("places gives 'wall'; it must yield each as Pl")):
        _of(Physics("a", "", places=places)).places({})


def test_who_takes_part() -> None:
    """Physics of the study and those whose table is given take part; one of a role."""
    known = _of(
        Physics("ions", "", role="electrolyte"),
        Physics("heat", "", table=Plain),
        Physics("pnp", "", table=Plain, role="electrolyte"),
        Physics("late", "", studies=frozenset({"growth"})),
    )
    assert [p.name for p in known.taking_part("steady", {"heat": Plain()})] == ["ions", "heat"]
    assert [p.name for p in known.taking_part("growth", {})] == ["ions", "late"]
    reason = "pnp: a case has one electrolyte, and 'ions' is its electrolyte, too; leave one"
    with pytest.raises(CaseError, match=re.escape(reason)):
        known.taking_part("steady", {"pnp": Plain()})


def test_a_table_in_another_study() -> None:
    message = "growth: only for study = 'growth', not 'steady'; change one of them"
    assert [*only_in("growth", ("growth",), "steady")] == [message]
    message = "heat: only for study = 'growth', 'steady' or 'tertiary', not 'primary'"
    (line,) = only_in("heat", ("tertiary", "steady", "growth"), "primary")
    assert line.startswith(message)


def test_installed_packages_offer_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    def offers(found: Any) -> None:
        entry = SimpleNamespace(load=lambda: found, value="x:y", name="x", dist=Path("pack"))
        monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
        registry.installed.cache_clear()

    offers(Physics("damp", ""))
    assert registry.installed()[-1] == (Physics("damp", ""), "the installed package 'pack'")
    offers(3)
    with pytest.raises(CaseError, match="installed package 'pack': PHYSICS is 3, which is not a"):
        registry.installed()
    monkeypatch.undo()
    registry.installed.cache_clear()


def test_a_key_of_a_type_that_nothing_is_read_into() -> None:
    class Odd(Table):
        x: np.ndarray

    with pytest.raises(CaseError, match=r"physics .odd.: table = Odd: Unable .*ndarray"):
        registry.checked(Physics("odd", "", table=Odd), "pack")


def test_every_field_of_this_package_has_a_label_and_its_unit() -> None:
    fields = with_own().fields
    assert {"phi_s", "phi_l", "c", "q", "xi", "i_n"} <= fields.keys()
    assert all(field.label for field in fields.values())
    assert fields["c"].shown_unit == "mol/L" and fields["c"].factor == 1e-3


@pytest.mark.parametrize(("number", "unit"), [
    ("voltage", "V"), ("c_min", "mol/m^3"), ("voltage_parts.ohmic_l.separator", "V"),
    ("metrics.eta_nuc_curve", "V"), ("metrics.share_third.top", ""), ("estimates.sand_time", "s"),
    ("current_by_third.top", ""),
])  # fmt: skip
def test_a_number_of_a_summary_has_its_unit(number: str, unit: str) -> None:
    assert with_own().unit(number) == unit


def test_names_of_the_mesh_in_a_table_are_checked() -> None:
    """A name that is not there is a problem, and a pattern that fits nothing."""
    def named(sections: Any) -> Any:
        for kind, name in sections["heat"]:
            yield Place(f"heat.{kind}.{name}", name, kind)

    known = _of(Physics("heat", "", places=named))
    given = {"heat": [
        ("region", "hots_top"), ("region", "fibre_*"), ("region", "host_*"), ("boundary", "sidse"),
        ("boundary", "sides"), ("surface", "fibre_*"), ("surface", "collector"),
    ]}  # fmt: skip
    places, regions = known.places(given), ["host_top", "electrolyte"]
    found = [*problems({}, regions, ["collector", "counter", "sides"], places)]
    assert [line.split(":")[0] for line in found] == [
        "heat.region.hots_top", "heat.region.fibre_*", "heat.boundary.sidse",
        "heat.surface.fibre_*"]
    assert "matches no region of the mesh; did you mean 'host_top'" in found[0]
    assert "matches no boundary of the mesh; did you mean 'sides'" in found[2]
    output = [line.split(":")[0] for line in unmatched({}, regions, places)]
    assert output == ["heat.region.hots_top", "heat.region.fibre_*"]


def test_what_physics_declare_imports_no_solver() -> None:
    code = (
        "import sys; from fem.contract.registry import with_own; assert with_own().tables(); "
        "from fem.case.schema import schema_text; schema_text(); "
        "print([m for m in sys.modules if m.startswith(('dolfinx', 'petsc4py', 'mpi4py', 'ufl'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=True,
                          capture_output=True, text=True)
    assert done.stdout == "[]\n"
