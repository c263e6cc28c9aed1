"""File names that everything else can take."""

from __future__ import annotations

import os
from pathlib import Path

from fem.base.errors import CaseError


def refuse_other_than_utf8(name: str | Path, what: str = "") -> None:
    """Refuse a file name that is not UTF-8: no case file can hold it, and DOLFINx takes none.

    Args:
        name: as Python shows it, with surrogates for bytes that are not UTF-8.
        what: stands before the name in the message.

    Raises:
        CaseError: it is not UTF-8.
    """
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        raise CaseError(f"{what}{repr(raw)[1:]} is not UTF-8, as names from an old Windows share "
                        f"are not; rename it, perhaps to {raw.decode('latin-1')!r}") from None
