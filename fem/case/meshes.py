"""The mesh of a case: a folder in the cache, found by what the case says of its geometry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fem.base.errors import CaseError
from fem.base.paths import refuse_other_than_utf8

if TYPE_CHECKING:
    from fem.case.case import Case
    from fem.case.hosts import Host

__all__ = ["cache_folder", "mesh_folder"]


def cache_folder() -> Path:
    """Folder in which meshes are kept by content: HOSTPLATE_CACHE, else the user's cache folder.

    Raises:
        CaseError: its name is not UTF-8.
    """
    given, base = os.environ.get("HOSTPLATE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    caches = Path(base) if base else Path.home() / ".cache"
    folder = Path(given) if given else caches / "hostplate"
    refuse_other_than_utf8(folder.absolute(), "the cache folder ")
    return folder


def mesh_folder(case: Case | Host) -> Path:
    """Folder of the mesh of a case or host, built or converted on the first call.

    Raises:
        CaseError: it cannot be meshed as it is.
    """
    import geometries

    own = getattr(case, "mesh", None)
    if own is not None:
        return geometries.cached_conversion(
            own.file, cache_folder(), unit=own.unit, names=own.names,
            axisymmetric=own.axisymmetric, refine=own.refine,
        )
    geometry = case.sized_geometry
    if geometry is None:
        raise CaseError("the case has neither [geometry] nor [mesh]")
    return geometries.cached(geometry["family"], geometry, cache_folder())
