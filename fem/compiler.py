"""Code of forms: FFCx writes C, a call of the C compiler makes a shared library, ctypes loads it.

DOLFINx would wrap every form as a Python extension (cffi, setuptools, Python's headers), which
takes longer than compiling what the form needs, and locks it by a file that outlives a kill.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shlex
import subprocess
import sysconfig
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cffi
import ffcx.codegeneration
import ffcx.compiler
import ffcx.naming
import ufl
from ffcx.codegeneration import jit as declared

__all__ = ["LOADED", "code_of"]

#: Code that this process has loaded, by its name.
LOADED: dict[str, Any] = {}

#: The types of `ufcx.h`, as DOLFINx reads the code.
UFCX = cffi.FFI()
UFCX.cdef(
    declared.UFC_HEADER_DECL.format("float64")
    + declared.UFC_INTEGRAL_DECL
    + declared.UFC_FORM_DECL
    + declared.UFC_EXPRESSION_DECL
)
#: What DOLFINx takes for the Python module of the code.
MODULE = SimpleNamespace(ffi=UFCX)


def code_of(what: Any, options: Mapping[str, Any], extra: Sequence[str], folder: Path) -> Any:
    """Compiled form or expression; looked for in this process, on the disk, or made now.

    Args:
        what: a form, or an expression and its points.
        options: of FFCx.
        extra: arguments for the C compiler.
        folder: of compiled code.

    Raises:
        OSError: no compiler, no space, or a library that cannot be loaded.
        RuntimeError: the compiler refuses.
    """
    command = [*_compiler(), *extra]
    made_by = f"{sorted(options.items())} {command} {platform.machine()}"
    signature = ffcx.naming.compute_signature([what], made_by)
    if signature not in LOADED:
        kind = "form" if isinstance(what, ufl.Form) else "expression"
        library = folder / f"{kind}_{signature}.so"
        if not library.exists():
            source = ffcx.compiler.compile_ufl_objects([what], options, namespace=signature)[0][1]
            _compile(source, command, library)
        LOADED[signature] = _load(library, f"{kind}_{signature}_0", f"ufcx_{kind} **")
    return LOADED[signature]


def _compiler() -> list[str]:
    """Start of the command; `CC` and `CFLAGS` are heard, as everywhere."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    flags = os.environ.get("CFLAGS", "")
    return [*shlex.split(compiler), *shlex.split(flags), "-std=c17", "-shared", "-fPIC"]


def _compile(source: str, command: Sequence[str], library: Path) -> None:
    """Make a shared library; it comes to its place whole, whoever else makes the same one."""
    library.parent.mkdir(parents=True, exist_ok=True)
    draft = library.with_suffix(f".{uuid.uuid4().hex}.tmp")
    include = ffcx.codegeneration.get_include_path()
    call = [*command, "-I", include, "-x", "c", "-", "-o", str(draft), "-lm"]
    try:
        done = subprocess.run(call, input=source, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(call)}: exit {done.returncode}: {done.stderr[-2000:]}")
        os.replace(draft, library)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _load(library: Path, name: str, kind: str) -> Any:
    """Target of a pointer in a shared library, which stays until the process ends."""
    pointer = ctypes.c_void_p.in_dll(ctypes.CDLL(str(library)), name)
    return UFCX.cast(kind, ctypes.addressof(pointer))[0][0]
