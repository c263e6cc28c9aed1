"""Lines along a vector over a map: they go where it points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fem.base.errors import CaseError
from fem.base.folder import write_json
from fem.cli.main import main
from fem.compat import MPI
from fem.files.fields import _BlockFile
from fem.results.result import Result
from tests.post.test_metrics import UM, sheet


@pytest.fixture
def turning(tmp_path: Path) -> Result:
    """A vector of cells around (20, 20) um, anticlockwise, 1 per um from there."""
    (tmp_path / "fields").mkdir()
    cells, points = sheet(24, 40 * UM, 0.0, 40 * UM)
    x, y, _ = (points[cells].mean(axis=1) - 20 * UM).T
    swirl = np.column_stack([-y, x, 0 * x]) / UM
    file = _BlockFile(tmp_path / "fields" / "pore", "pore", cells, points, {}, False)
    file.append(60.0, {"c": ("Node", 1e3 + points[:, 1]), "i_l": ("Cell", swirl)})
    write_json(MPI.COMM_SELF, tmp_path / "summary.json", {"title": "Turning"})
    return Result(tmp_path)


def test_lines_go_around(turning: Result) -> None:
    """Each piece of a line is at right angles to the way from the middle, on its left."""
    figure = turning.plot("c", lines="i_l")
    drawn = figure.axes[0].collections[-1]
    pieces = np.concatenate([np.stack([line[:-1], line[1:]], axis=1)
                             for line in drawn.get_segments()])
    assert len(pieces) > 200
    way, place = pieces[:, 1] - pieces[:, 0], pieces.mean(axis=1) - 20.0
    keep = (np.hypot(*way.T) > 1e-9) & (np.hypot(*place.T) > 4.0) & (np.abs(place).max(axis=1) < 18)
    sine = (place[:, 0] * way[:, 1] - place[:, 1] * way[:, 0])[keep] / (
        np.hypot(*way.T) * np.hypot(*place.T))[keep]
    assert np.median(sine) > 0.99 and sine.min() > 0.9
    assert "lines along i_l" in figure.texts[-1].get_text()
    assert main(["post", str(turning.folder), "--field", "c", "--lines", "i_l"]) == 0


def test_missing_vectors_come_with_the_way_to_get_them(turning: Result) -> None:
    with pytest.raises(CaseError, match=r"no vector 'N_an' .* `vectors = true` in \[output\]"):
        turning.plot("N_an", lines="N_an")
    with pytest.raises(CaseError, match="c is a number at each place and has no direction"):
        turning.plot("c", lines="c")
