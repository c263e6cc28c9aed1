"""Code of forms: FFCx writes C, a call of the C compiler makes a shared library, ctypes loads it.

DOLFINx would wrap every form as a Python extension (cffi, setuptools, Python's headers), which
takes longer than compiling what the form needs, and locks it by a file that outlives a kill.
Half of a compiler's time for one form is its start: forms that are needed together share a call.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shlex
import shutil
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

__all__ = ["LOADED", "code_of", "make_together"]

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
    command = _command(extra)
    signature, library = _place(what, options, command, folder)
    if signature not in LOADED:
        if not library.exists():
            _compile(_source(what, options, signature), command, library)
        pointer = "ufcx_form **" if isinstance(what, ufl.Form) else "ufcx_expression **"
        LOADED[signature] = _load(library, f"{library.stem}_0", pointer)
    return LOADED[signature]


def make_together(
    forms: Sequence[ufl.Form], options: Mapping[str, Any], extra: Sequence[str], folder: Path
) -> None:
    """Make the libraries of several forms by one call of the compiler; none of those there are.

    Arguments and errors are those of `code_of`, which then finds them.
    """
    command = _command(extra)
    missing: dict[Path, str] = {}
    for form in forms:
        signature, library = _place(form, options, command, folder)
        if signature not in LOADED and library not in missing and not library.exists():
            missing[library] = _source(form, options, signature)
    if missing:
        _compile("\n".join(missing.values()), command, *missing)


def _place(
    what: Any, options: Mapping[str, Any], command: Sequence[str], folder: Path
) -> tuple[str, Path]:
    """Signature of a form or an expression, with all that its code hangs on, and its library."""
    made_by = f"{sorted(options.items())} {command} {platform.machine()}"
    signature = ffcx.naming.compute_signature([what], made_by)
    kind = "form" if isinstance(what, ufl.Form) else "expression"
    return signature, folder / f"{kind}_{signature}.so"


def _source(what: Any, options: Mapping[str, Any], signature: str) -> str:
    """C code by FFCx; its names have the signature in them, and do not meet in a library."""
    return str(ffcx.compiler.compile_ufl_objects([what], options, namespace=signature)[0][1])


def _command(extra: Sequence[str]) -> list[str]:
    """Start of the compiler's command; `CC` and `CFLAGS` are heard, and the latter win."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    flags = os.environ.get("CFLAGS", "")
    return [*shlex.split(compiler), "-std=c17", "-shared", "-fPIC", *extra, *shlex.split(flags)]


def _compile(source: str, command: Sequence[str], *libraries: Path) -> None:
    """Make a shared library under one name or several.

    It comes to each of its places whole, whoever else makes the same one.
    """
    libraries[0].parent.mkdir(parents=True, exist_ok=True)
    draft = libraries[0].with_suffix(f".{uuid.uuid4().hex}.tmp")
    include = ffcx.codegeneration.get_include_path()
    call = [*command, "-I", include, "-x", "c", "-", "-o", str(draft), "-lm"]
    try:
        done = subprocess.run(call, input=source, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(call)}: exit {done.returncode}: {done.stderr[-2000:]}")
        for library in libraries[1:]:
            _name(draft, library)
        os.replace(draft, libraries[0])
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _name(file: Path, other: Path) -> None:
    """Give a file another name; a copy of it where the file system knows no hard links."""
    draft = other.with_suffix(f".{uuid.uuid4().hex}.tmp")
    try:
        os.link(file, draft)
    except OSError:
        shutil.copyfile(file, draft)
    os.replace(draft, other)


def _load(library: Path, name: str, kind: str) -> Any:
    """Target of a pointer in a shared library, which stays until the process ends."""
    pointer = ctypes.c_void_p.in_dll(ctypes.CDLL(str(library)), name)
    return UFCX.cast(kind, ctypes.addressof(pointer))[0][0]
