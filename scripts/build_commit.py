"""Build hook of hatchling: a wheel or sdist carries the commit it was built from.

HOSTPLATE_COMMIT gives it where there is no repository, as in an image.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `fem/_commit.txt`; an editable install asks the checkout itself."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are collected."""
        sys.path.insert(0, self.root)
        from fem.base import provenance

        found = os.environ.get("HOSTPLATE_COMMIT") or provenance.commit()
        if version == "editable" or found == provenance.UNKNOWN:
            return
        file = Path(tempfile.mkdtemp(prefix="hostplate-")) / provenance.COMMIT_FILE
        file.write_text(f"{found}\n", encoding="utf-8")
        build_data["force_include"][str(file)] = f"fem/{provenance.COMMIT_FILE}"
