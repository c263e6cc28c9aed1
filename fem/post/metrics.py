"""Metrics of a result: numbers with a written definition, by the physics that own them.

A physics names them in its record (`fem.contract.physics.Metric`); `docs/metrics.md` has them all.
"""

from __future__ import annotations

import logging
from typing import Any

from fem.contract.physics import Metric, named
from fem.contract.registry import with_own
from fem.results.result import Result

__all__ = ["declared", "metrics"]

log = logging.getLogger("hostplate.metrics")


def declared() -> dict[str, Metric]:
    """All metrics by name."""
    return with_own().metrics


def metrics(result: Result, t: float | None = None) -> dict[str, Any]:
    """Metrics that mean something for a result, SI; some are several numbers by name.

    A metric that cannot be taken costs one line in the log, never the run.

    Args:
        result: finished or not.
        t: at the stored time nearest to t, s; default the last one.
    """
    found: dict[str, Any] = {}
    for name, metric in declared().items():
        try:
            value = named(metric.of)(result, t)
        except Exception as error:
            log.warning("metric %s was not taken: %s", name, " ".join(str(error).split()))
            continue
        if value is not None:
            found[name] = value
    return found
