"""Time an averaged host and PyBaMM's DFN on the same job, one after the other, and compare them.

    python scripts/bench/averaged_pybamm.py OTHER        OTHER: a Python that has PyBaMM

PyBaMM goes into an environment of its own (`pip install pybamm`). Two jobs, both a host of constant
area in which lithium plates reversibly while pores fill, intercalation switched off there:

    dfn    50 um, 80 and 160 cells, 10 A/m2 for 1 h, salt kept even: eps and eta are compared
    long   100 um, 200 cells, 10 A/m2 for 9 h, salt of an ordinary electrolyte: time only, as the
           salt of a DFN spreads into a positive electrode, which ours has not

Salt stays in the pores that are left (`displacement = "none"`), as in PyBaMM. Finite volumes there
and linear elements here err by their cells, either with second order. So the first job is solved
with twice as many cells, too, and Richardson's limits are compared, which are free of that.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]

#: The job that is timed only.
LONG = "long"
#: Length, m, cells, area, 1/m, hours, D, m2/s, and tolerances, ours and PyBaMM's, by job.
JOBS: dict[str, tuple[float, int, float, float, float, float, float]] = {
    "dfn": (50e-6, 80, 2e6, 1.0, 1e-5, 1e-8, 1e-11),
    "dfn, cells halved": (50e-6, 160, 2e6, 1.0, 1e-5, 1e-8, 1e-11),
    LONG: (100e-6, 200, 2e5, 9.0, 3e-10, 1e-3, 1e-4),
}
#: Slices over which eps is averaged, whatever the cells.
SLICES = 40
#: Pores, exchange current, A/m2, sigma, S/m, and current, A/m2, of all jobs.
PORES, I0, SIGMA, CURRENT = 0.9, 10.0, 100.0, 10.0
#: Of lithium, m3/mol, and separator, m.
V_M, GAP = 1.2998e-5, 10e-6
#: RT/F at 298.15 K, V.
RT_F = 8.31446261815324 * 298.15 / 96485.33212331


def ours(job: str) -> dict[str, Any]:
    """Pore fraction of slices, eta of the cells at the ends, time and steps."""
    from fem import Case

    L, cells, area, hours, D, tolerance, _ = JOBS[job]
    host = {"surface": {"law": "constant", "area": f"{area} 1/m"}, "metal_sigma": "0 S/m"}
    case = Case.from_dict({
        "schema": 1, "title": job, "metal": "Li", "electrolyte": "plain", "study": "tertiary",
        "temperature": "298.15 K", "time": {"tolerance": tolerance},
        "materials": {"plain": {"kind": "electrolyte", "c0": "1 mol/L", "D": f"{D} m^2/s",
                                "t_plus": 0.4, "kappa": "1 S/m"}},
        "geometry": {"family": "planar", "width": "1 um", "size_width": "1 um",
                     "size": f"{L / cells!r} m",
                     "layers": [{"name": "mat", "thickness": f"{L} m", "region": "host_mat"},
                                {"name": "gap", "thickness": f"{GAP} m", "region": "electrolyte",
                                 "size": "2 um"}]},
        "regions": {"host_mat": {"material": "Cu", "porosity": PORES, "sigma": f"{SIGMA} S/m"}},
        "averaged": {"displacement": "none", "regions": {"host_mat": host}},
        "kinetics": [
            {"surface": "host_mat", "i0": {"expression": f"{I0} + 0*c", "unit": "A/m^2"},
             "alpha_a": 0.5, "alpha_c": 0.5, "eta_nuc": "0 V"},
            {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}],
        "protocol": [{"step": "plate", "current_density": f"{CURRENT} A/m^2",
                      "duration": f"{hours} h"}],
        "output": {"figures": False},
    })  # fmt: skip
    begun, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = case.run(Path(folder) / "r")
        spent = time.perf_counter() - begun, time.process_time() - cpu
        _, at = np.unique(np.round(result.points("averaged")[:, 1], 12), return_index=True)
        nodes = (result.array(name, block="averaged")[at] for name in ("eps", "i_v"))
        eps, i_v = (0.5 * (values[1:] + values[:-1]) for values in nodes)  # of cells
        steps = int(result.summary["steps"])
        assert not result.summary["events"], result.summary["events"]
    eta = 2e3 * RT_F * np.arcsinh(i_v[[0, -1]] / area / (2 * I0))
    return {"eps": sliced(eps), "eta": eta.tolist(), "wall": spent[0], "cpu": spent[1],
            "steps": steps}


def theirs(job: str) -> dict[str, Any]:
    """Numbers of the same job by PyBaMM, whose negative electrode is the host."""
    pybamm: Any = importlib.import_module("pybamm")
    L, cells, area, hours, D, _, tolerance = JOBS[job]
    model = pybamm.lithium_ion.DFN({
        "lithium plating": "reversible", "lithium plating porosity change": "true",
        "particle": "uniform profile",
    })
    numbers = pybamm.ParameterValues("OKane2022")

    def constant(value: float) -> Any:
        return lambda *_: pybamm.Scalar(value)

    given: dict[str, Any] = {
        "Negative electrode thickness [m]": L, "Separator thickness [m]": GAP,
        "Negative electrode porosity": PORES, "Separator porosity": 1.0,
        "Negative electrode active material volume fraction": 1.0 - PORES,
        "Negative particle radius [m]": 3.0 * (1.0 - PORES) / area,
        "Negative electrode conductivity [S.m-1]": SIGMA,
        "Negative electrode Bruggeman coefficient (electrode)": 0.0,
        "Negative electrode Bruggeman coefficient (electrolyte)": 1.5,
        "Separator Bruggeman coefficient (electrolyte)": 1.5,
        "Negative electrode exchange-current density [A.m-2]": constant(0.0),
        "Electrolyte conductivity [S.m-1]": constant(1.0),
        "Electrolyte diffusivity [m2.s-1]": constant(D),
        "Cation transference number": 0.4, "Thermodynamic factor": 1.0,
        "Initial concentration in electrolyte [mol.m-3]": 1000.0,
        "Exchange-current density for plating [A.m-2]": constant(I0),
        "Exchange-current density for stripping [A.m-2]": constant(I0),
        "Lithium plating transfer coefficient": 0.5,
        "Lithium metal partial molar volume [m3.mol-1]": V_M,
        "Initial plated lithium concentration [mol.m-3]": 0.0,
        "Electrode height [m]": 1.0, "Electrode width [m]": 1.0,
        "Number of electrodes connected in parallel to make a cell": 1.0,
        "Current function [A]": -CURRENT, "Nominal cell capacity [A.h]": CURRENT,
        "Ambient temperature [K]": 298.15, "Initial temperature [K]": 298.15,
        "Upper voltage cut-off [V]": 10.0, "Lower voltage cut-off [V]": -10.0,
        # Enough of a positive electrode for 9 h, and little of its own doing.
        "Positive electrode thickness [m]": 4e-4,
        "Initial concentration in positive electrode [mol.m-3]": 45000.0,
    }
    for name, value in given.items():
        numbers[name] = value
    points = {"x_n": cells, "x_s": 10, "x_p": 10, "r_n": 3, "r_p": 3}
    begun, cpu = time.perf_counter(), time.process_time()
    run = pybamm.Simulation(
        model, parameter_values=numbers, var_pts=points,
        solver=pybamm.IDAKLUSolver(rtol=tolerance, atol=0.01 * tolerance),
    )
    found = run.solve([0.0, hours * 3600.0])
    spent = time.perf_counter() - begun, time.process_time() - cpu
    eps = found["Negative electrode porosity"].entries[:, -1]
    drop = found["Negative electrode surface potential difference [V]"].entries[:, -1]
    return {"eps": sliced(eps), "eta": (1e3 * drop[[0, -1]]).tolist(), "wall": spent[0],
            "cpu": spent[1], "steps": len(found.t)}


def sliced(cells: Any) -> list[float]:
    """Means of cells over slices of the host."""
    means: list[float] = cells.reshape(SLICES, -1).mean(axis=1).tolist()
    return means


def compare(mine: dict[str, Any], other: dict[str, Any], job: str) -> None:
    """Print both, and how far they are from each other."""
    for name, found in (("ours", mine), ("PyBaMM", other)):
        eps = np.array(found["eps"])
        print(f"{job}, {name}: {found['wall']:.1f} s, CPU {found['cpu']:.1f} s, {found['steps']} "
              f"steps; eps {eps[0]:.6f} {eps[len(eps) // 2]:.6f} {eps[-1]:.6f}, eta "
              f"{found['eta'][0]:.5f} {found['eta'][1]:.5f} mV")
    if job == LONG:
        return
    gap = np.abs(np.array(mine["eps"]) - other["eps"]).max()
    print(f"{job}: largest difference of eps {gap:.1e}, of eta "
          f"{np.abs(np.array(mine['eta']) - other['eta']).max():.1e} mV")


def limit(found: dict[str, Any], of: str) -> Any:
    """Richardson's limit of an error that falls with the square of the cells."""
    coarse, fine = (np.array(found[job][of]) for job in [*JOBS][:2])
    return fine + (fine - coarse) / 3.0


def main(other: str) -> None:
    """All jobs, after one that compiles what there is to compile."""
    print(f"$ {command('averaged_pybamm', [other])}", flush=True)
    said = subprocess.run([other, __file__, "--theirs"], capture_output=True, text=True, check=True)
    reference = json.loads(said.stdout.splitlines()[-1])
    ours(LONG)
    mine = {job: ours(job) for job in JOBS}
    for job in JOBS:
        compare(mine[job], reference[job], job)
    gap = np.abs(limit(mine, "eps") - limit(reference, "eps")).max()
    print(f"limits of small cells: largest difference of eps {gap:.1e}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--theirs"]:
        theirs("dfn")  # imports
        print(json.dumps({job: theirs(job) for job in JOBS}))
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit(__doc__)
