"""Sphinx settings of the documentation site, which `python scripts/docs.py` builds."""

from __future__ import annotations

import re
from typing import Any

from fem.base import provenance

project = "hostplate"
author = "the hostplate authors"
copyright = author
release = provenance.version()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3

# Equations and headers of cases are text as they stand, and no program.
highlight_language = "text"
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"hostplate {release}"
html_show_sphinx = False


# Docstrings are plain text with code between back quotes; reStructuredText reads signs of
# mathematics, such as |E| or c_, as its own, and takes no indented block without two colons.
SIGNS = re.compile(r"(``?[^`]+``?)|([|*\\]|(?<=\w)_(?!\w))")
SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Note|Example):$")


def plain(_app: Any, what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Let reStructuredText show a docstring as it is written; of a module, its first sentence."""
    if what == "module":
        del lines[next((k for k, line in enumerate(lines) if not line.strip()), len(lines)) :]
    shown: list[str] = []
    free, literal = True, False
    for line in lines:
        free = free and not SECTION.match(line)
        inset = free and line.startswith("    ")
        if inset and not literal:
            shown += ["", "::", ""]
        if literal and line.strip() and not inset:
            shown.append("")
        literal = inset or (literal and not line.strip())
        shown.append(line if literal else SIGNS.sub(lambda m: m[1] or "\\" + m[2], line))
    lines[:] = shown


def setup(app: Any) -> None:
    """Have docstrings made plain before Google's sections are read."""
    app.connect("autodoc-process-docstring", plain, priority=100)
