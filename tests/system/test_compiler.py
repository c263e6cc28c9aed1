"""Code of forms: whole or not there, shared by forms that differ in numbers of regions."""

from __future__ import annotations

from pathlib import Path

import ffcx
import numpy as np
import pytest
import ufl

from fem import compiler
from fem.compat import MPI, VERTEX_RULE, dfem, dmesh
from fem.forms import compiled, gathered


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
