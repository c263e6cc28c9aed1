"""Code of forms: whole or not there, shared by forms that differ in numbers of regions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffcx
import numpy as np
import pytest
import ufl

from fem import compat, compiler
from fem.compat import MPI, VERTEX_RULE, dfem, dmesh
from fem.forms import Waiting, compiled, gathered


def test_a_form_is_compiled_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 1)
    v = ufl.TestFunction(dfem.functionspace(mesh, ("Lagrange", 1)))
    form = dfem.Constant(mesh, 2.0) * v * ufl.dx(metadata=VERTEX_RULE)
    options = ffcx.get_options({"scalar_type": "float64"})
    monkeypatch.setattr(compiler, "LOADED", {})
    monkeypatch.setenv("CC", "gcc --no-such-option")
    with pytest.raises(RuntimeError, match=r"gcc --no-such-option.*: exit 1: .*unrecognized"):
        compiler.code_of(form, options, [], tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("CC")
    code = compiler.code_of(form, options, [], tmp_path)
    assert (code.rank, code.num_coefficients, code.num_constants) == (1, 0, 1)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("form_") and file.suffix == ".so"
    monkeypatch.setattr(compiler, "LOADED", {})
    monkeypatch.delattr(compiler, "_compile")
    again = compiler.code_of(form, options, [], tmp_path)  # another process would find it
    assert again.form_integral_offsets[1] == 1


@pytest.mark.parametrize("links", [True, False])
def test_forms_that_wait_share_a_call_of_the_compiler(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 2)
    x = ufl.SpatialCoordinate(mesh)[0]
    cells = [(1, np.arange(2, dtype=np.int32))]
    dx = ufl.Measure("dx", mesh, subdomain_data=cells)(1)
    forms = [(n + 1) * x**n * dx(metadata={"quadrature_degree": n}) for n in (2, 3, 4)]
    calls: list[int] = []

    def counted(source: str, command: Sequence[str], *libraries: Path) -> None:
        calls.append(len(libraries))
        really(source, command, *libraries)

    def no_links(*_: Any) -> None:
        raise OSError("no hard links here")

    really = compiler._compile
    monkeypatch.setattr(compiler, "_compile", counted)
    monkeypatch.setattr(compiler, "LOADED", {})
    monkeypatch.setattr(compat.jit, "get_options", lambda _: {
        "cache_dir": tmp_path / "codes", "cffi_extra_compile_args": []
    })
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    waiting = Waiting(mesh.comm)
    first, second, last = (waiting.add(form) for form in forms)
    assert calls == []
    assert dfem.assemble_scalar(second) == pytest.approx(1.0, rel=1e-14)  # all three are made
    assert calls == [3]
    values = [dfem.assemble_scalar(one) for one in (first, last)]
    assert values == pytest.approx([1.0, 1.0], rel=1e-14)
    assert (calls, first.rank, first.mesh.comm.size) == ([3], 0, 1)
    assert len(list((tmp_path / "codes").glob("form_*.so"))) == 3
    assert len({*(tmp_path / "codes").iterdir()}) == 3  # no draft is left
    compiler.LOADED.clear()
    again = [waiting.add(form) for form in forms]  # another process finds each by its own name
    assert [dfem.assemble_scalar(one) for one in again] == pytest.approx([1.0] * 3, rel=1e-14)
    assert calls == [3]


def test_a_form_that_could_not_be_compiled_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 1)
    options = {"cache_dir": tmp_path, "cffi_extra_compile_args": []}
    monkeypatch.setattr(compat.jit, "get_options", lambda _: options)
    monkeypatch.setattr(compiler, "LOADED", {})
    waiting = Waiting(mesh.comm)
    x = ufl.SpatialCoordinate(mesh)[0]
    dx = ufl.Measure("dx", mesh, subdomain_data=[(1, np.arange(1, dtype=np.int32))])(1)
    one, other = waiting.add(x * dx), waiting.add(x**2 * dx)
    with monkeypatch.context() as broken:
        broken.setenv("CC", "gcc --no-such-option")
        with pytest.raises(RuntimeError, match=r"gcc --no-such-option.*: exit 1"):
            waiting.compile()
    assert dfem.assemble_scalar(other) == pytest.approx(1 / 3, rel=1e-14)
    assert dfem.assemble_scalar(one) == pytest.approx(1 / 2, rel=1e-14)


def test_numbers_of_regions_are_no_part_of_the_code() -> None:
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 4)
    x = ufl.SpatialCoordinate(mesh)[0]
    each = [(number, np.array([cell], np.int32)) for cell, number in enumerate((9, 2, 5, 7))]
    dx = ufl.Measure("dx", mesh, subdomain_data=each, metadata={"quadrature_degree": 2})
    forms = [
        2 * x * dx((5, 2)) + x**2 * dx((2, 5, 9)),  # 5 and 2 have both, 9 has one
        2 * x * dx(9) + x**2 * dx((9, 7)),
        2 * x * dx((9, 5)) + x**2 * dx((2, 7)),
    ]
    forms.append(ufl.Form([forms[1].integrals()[0].reconstruct(subdomain_id=(5, 2))]))
    signatures = [gathered(form).signature() for form in forms]
    assert signatures[0] == signatures[1] != signatures[2]
    known = (
        (3 / 4) ** 3 / 3 + (3 / 4) ** 2 - (1 / 4) ** 2,
        (1 / 4) ** 2 + (1 / 4) ** 3 / 3 + (1 - (3 / 4) ** 3) / 3,
        (1 + 9 - 4) / 16 + (8 - 1 + 64 - 27) / 64 / 3,
        (27 - 1) / 64 / 3,
    )
    values = [dfem.assemble_scalar(compiled(form)) for form in forms]
    assert values == pytest.approx(known, rel=1e-14)


def test_values_are_no_part_of_the_code() -> None:
    """Nor are the names of indices: integrands of two regions that differ by them are one."""
    mesh = dmesh.create_unit_interval(MPI.COMM_SELF, 2)
    x = ufl.SpatialCoordinate(mesh)
    each = [(number, np.array([number], np.int32)) for number in (0, 1)]
    dx = ufl.Measure("dx", mesh, subdomain_data=each, metadata={"quadrature_degree": 2})

    def form(a: float, b: float, power: float) -> ufl.Form:
        return sum(a * ufl.dot(x, b * x) * abs(x[0]) ** power * dx(region) for region in (0, 1))

    forms = [form(2.5, 7.0, 0.0), form(0.1, 3.0, 0.0), form(2.5, 7.0, 0.5)]
    kept = [gathered(one) for one in forms]
    assert kept[0].signature() == kept[1].signature() != kept[2].signature()
    assert [len(one.integrals()) for one in kept] == [1, 1, 1]
    assert len({one.signature() for one in forms}) == 3  # as they are written
    values = [dfem.assemble_scalar(compiled(one)) for one in forms[:2]]
    assert values == pytest.approx([2.5 * 7.0 / 3, 0.1 * 3.0 / 3], rel=1e-14)
    swapped = ufl.outer(x, 2.0 * x)
    i, j = ufl.indices(2)
    apart = swapped[i, j] * swapped[i, j] * dx(0) + swapped[i, j] * swapped[j, i] * dx(1)
    assert len(gathered(apart).integrals()) == 2
