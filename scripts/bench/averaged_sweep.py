"""Time an averaged host: one job, then a sweep in one process, and whether anything is compiled.

    python scripts/bench/averaged_sweep.py           one job of 9 h, 200 cells, then 100 hosts
    python scripts/bench/averaged_sweep.py 10        fewer hosts

The hosts differ in fibre radius, porosity, sigma and exponent; none of these numbers stands
in a kernel. The design asks for 5 s and 400 steps for the job, and 2 minutes for 100 hosts.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from fem import Case

HOST: dict[str, Any] = {
    "schema": 1, "title": "averaged host", "metal": "Li", "electrolyte": "plain",
    "study": "tertiary",
    "materials": {"plain": {"kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s",
                            "t_plus": 0.4, "kappa": "1 S/m"}},
    "geometry": {"family": "planar", "width": "1 um", "size_width": "1 um", "size": "0.5 um",
                 "layers": [{"name": "mat", "thickness": "100 um", "region": "host_mat"},
                            {"name": "gap", "thickness": "10 um", "region": "electrolyte",
                             "size": "5 um"}]},
    "regions": {"host_mat": {"material": "Cu", "porosity": 0.9, "sigma": "100 S/m"}},
    "averaged": {"regions": {"host_mat": {"surface": {"law": "fibres", "radius": "1 um"}}}},
    "kinetics": [{"surface": "host_mat", "i0": "10 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5,
                  "eta_nuc": "0 V"}],
    "output": {"figures": False},
}  # fmt: skip


def host(hours: float, radius: float, porosity: float, sigma: float, b: float, nuc: float) -> Case:
    """A case; lengths in um, eta_nuc in mV."""
    entry = {"surface": {"law": "fibres", "radius": f"{radius} um"}, "exponent": b}
    kinetics = HOST["kinetics"][0] | {"eta_nuc": f"{nuc} mV"}
    return Case.from_dict(HOST | {
        "regions": {"host_mat": {"material": "Cu", "porosity": porosity, "sigma": f"{sigma} S/m"}},
        "averaged": {"regions": {"host_mat": entry}}, "kinetics": [kinetics],
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": f"{hours} h"}],
    })  # fmt: skip


def kernels() -> int:
    """Compiled kernels in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return sum(1 for _ in cache.rglob("*.so"))


def solved(case: Case) -> dict[str, Any]:
    """Summary of a case, solved into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        summary: dict[str, Any] = case.run(Path(folder) / "r").summary
    return summary


def main(most: int) -> None:
    """One job and a sweep."""
    print(f"$ {command('averaged_sweep', [most])}", flush=True)
    for radius, nuc in ((1.0, 0.0), (1.1, 10.0)):
        solved(host(0.1, radius, 0.9, 100.0, 1.5, nuc))  # compiles
    gc.collect()
    gc.freeze()  # as the command line does: no garbage is looked for among what imports left
    begun, cpu = time.perf_counter(), time.process_time()
    found = solved(host(9.0, 1.0, 0.9, 100.0, 1.5, 0.0))
    print(f"one job, 9 h, 200 cells: {time.perf_counter() - begun:.1f} s, CPU "
          f"{time.process_time() - cpu:.1f} s, {found['steps']} steps, eps_min "
          f"{found['eps_min']:.4f}")
    before, begun, cpu = kernels(), time.perf_counter(), time.process_time()
    draws = itertools.product((0.8, 1.2), (0.8, 0.85, 0.9, 0.93, 0.95), (1.0, 10.0),
                              (1.5, 2.0, 2.5, 3.0, 4.0))
    count = 0
    for radius, porosity, sigma, b in itertools.islice(draws, most):
        solved(host(3.0, radius, porosity, sigma, b, 0.0))
        count += 1
    spent, used = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{count} hosts, 3 h each: {spent:.1f} s, CPU {used:.1f} s, "
          f"{used / count:.2f} s each; {kernels() - before} kernels compiled")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
