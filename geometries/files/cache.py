"""Mesh folders by content: made once, found again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

# Part of the cache key: raise it when a builder's output changes for the same parameters.
CACHE_VERSION = 1


def once(folder: Path, make: Any) -> Path:
    """The folder, made by `make(folder)` if no complete one is there.

    It is made aside and renamed: a killed process leaves no half-made folder under this name.
    """
    if (folder / "mesh.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        made = aside / "mesh"  # a plain folder inside: mkdtemp's own is closed to other users
        make(made)
        try:
            os.replace(made, folder)
        except OSError:
            if not (folder / "mesh.json").is_file():  # not the work of a quicker process
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder
