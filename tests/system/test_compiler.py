"""Code of forms: whole or not there, and a compiler that refuses is quoted."""

from __future__ import annotations

from pathlib import Path

import ffcx
import pytest
import ufl

from fem import compiler
from fem.compat import MPI, VERTEX_RULE, dfem, dmesh


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
