"""Entry points of installed packages: what they offer to this one, by group."""

from __future__ import annotations

import functools
import importlib.metadata

__all__ = ["entry_points"]


def entry_points(group: str) -> importlib.metadata.EntryPoints:
    """Entry points of a group, such as `hostplate.physics`, of all installed packages."""
    return _all().select(group=group)


@functools.cache
def _all() -> importlib.metadata.EntryPoints:
    """All of them: to read one group is to read the lists of all packages."""
    return importlib.metadata.entry_points()
