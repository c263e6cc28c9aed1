"""A resolved host as entries of an averaged one, from what `inspect` says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError
from fem.physics.averaged.measured import tables
from tests.physics.averaged.columns import column

REPORT: dict[str, Any] = {
    "porosity": 0.8, "porosity_by_depth": [0.9, 0.8, 0.7, 0.8],
    "wall_area": {"host_a": 3e5, "host_b": 1e5},
    "wall_area_by_depth": {"host_a": [2e5, 4e5, 4e5, 2e5], "host_b": [0.0, 2e5, 2e5, 0.0]},
    "tortuosity": 1.5, "tortuosity_tensor": [[1.5, 0.1], [0.1, 1.6]],
    "electronic": {"conductivity": 0.04}, "pore_size": {"mean": 4e-6},
}  # fmt: skip


def test_a_case_takes_what_was_measured() -> None:
    """Means are those of the host; sigma is what is left of that of the solids; a case reads it."""
    given = tables(REPORT, "host_mat", 1e-4, sigma=1e5)
    plain, averaged = (given["regions"]["host_mat"],
                       given["averaged"]["regions"]["host_mat"])  # fmt: skip
    assert plain["sigma"] == "4000 S/m" and "tortuosity" not in plain
    assert averaged["tensor"] == [[1.5, 0.1], [0.1, 1.6]]
    at = [float(x.split()[0]) for x in plain["porosity"]["at"]]
    assert np.trapezoid(plain["porosity"]["values"], at) / 100 == pytest.approx(0.8, rel=1e-5)
    area = [float(a.split()[0]) for a in averaged["surface"]["area"]["values"]]
    assert np.trapezoid(area, at) / 100 == pytest.approx(4e5, rel=1e-5)
    case = column(cells=4, host=averaged).to_dict()
    case["regions"]["host_mat"] |= plain
    type(column()).from_dict(case)


def test_a_tensor_of_three_axes_across_and_along() -> None:
    """Its conductivity is cut, not the tensor; with gaps the number along the thickness counts."""
    inverse = np.array([[0.6, 0.05, 0.1], [0.05, 0.7, 0.0], [0.1, 0.0, 0.5]])
    tensor = np.linalg.inv(inverse).tolist()
    found = tables(REPORT | {"tortuosity_tensor": tensor}, "host_mat", 1e-4)
    strip = found["averaged"]["regions"]["host_mat"]["tensor"]
    assert np.linalg.inv(strip) == pytest.approx(inverse[np.ix_([0, 2], [0, 2])])
    gaps = REPORT | {"tortuosity_tensor": [[None, None], [None, 1.6]]}
    found = tables(gaps, "host_mat", 1e-4)
    assert found["regions"]["host_mat"]["tortuosity"] == 1.5
    assert "tensor" not in found["averaged"]["regions"]["host_mat"]


def test_a_host_that_cannot_be_averaged() -> None:
    """Without a path for ions nothing is handed over, without one for electrons no sigma."""
    with pytest.raises(CaseError, match="no host, or no pore that leads through it"):
        tables(REPORT | {"tortuosity": None}, "host_mat", 1e-4)
    with pytest.raises(CaseError, match="no solid leads through the host"):
        tables(REPORT | {"electronic": {"conductivity": None}}, "host_mat", 1e-4, sigma=1.0)
