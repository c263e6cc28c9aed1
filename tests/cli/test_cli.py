from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import fem
from fem.base.errors import CaseError, Interrupted, RunError
from fem.case.files import case_names, to_toml
from fem.case.protocol import Step
from fem.cli import cases as cli_cases
from fem.cli import main
from fem.cli.arguments import SLEEPING_RANKS
from fem.cli.runs import BATCH
from fem.materials import electrolyte, pair, solid
from geometries import families
from geometries.description import parameters
from tests.case.base import BASE, EVERYTHING, changed
from tests.run.cases import GROWING


def _fresh(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter of its own, as a user would call it."""
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "fem.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(BASE), encoding="utf-8")
    return path


# ------------------------------------------------------------------------------ fresh interpreters


#: A step of each kind, so that no case of a protocol is left out.
STEPS: dict[str, dict[str, Any]] = {
    "plate": {"current_density": "1 mA/cm^2", "duration": "1 h"},
    "strip": {"current_density": "1 mA/cm^2", "duration": "1 h"},
    "rest": {"duration": "1 h"},
    "hold": {"voltage": "-50 mV", "duration": "1 h"},
    "pulse": {"current_density": "1 mA/cm^2", "on": "1 s", "off": "2 s", "cycles": 5},
    "cycle": {"cycles": 2, "steps": [{"step": "rest", "duration": "1 h"}]},
}


def test_check_imports_no_solver_and_writes_nothing(tmp_path: Path) -> None:
    """For each protocol step, and for a case with every table."""
    cases = {step: changed({"protocol": [{"step": step} | more]}) for step, more in STEPS.items()}
    cases |= {"everything": EVERYTHING, "growing": GROWING}
    for name, data in cases.items():
        (tmp_path / f"{name}.toml").write_text(to_toml(data), encoding="utf-8")
    probe = (
        "import sys; from fem.cli.main import main\n"
        "heavy = {'mpi4py', 'petsc4py', 'dolfinx', 'dolfinx_solver', 'gmsh', 'vtk', 'pyvista', "
        "'matplotlib', 'ufl'}\n"
        "for name in sys.argv[1:]:\n"
        "    code = main(['check', f'{name}.toml'])\n"
        "    print('PROBE', name, code, *sorted(heavy & {m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *cases],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert found == [f"PROBE {name} 0" for name in cases]
    assert "tertiary" in done.stdout
    assert sorted(os.listdir(tmp_path)) == sorted(f"{name}.toml" for name in cases)


def test_every_protocol_step_is_checked_so() -> None:
    known = {get_args(get_type_hints(c)["step"])[0] for c in get_args(get_args(Step)[0])}
    assert known == {*STEPS}


def test_mistakes_end_with_1_and_no_traceback(case_file: Path) -> None:
    done = _fresh("check", "mine.toml", "--set", "temperature=25", cwd=case_file.parent)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "temperature: 25 is not a quantity in K" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        f"'{sys.executable}' -m fem.cli show schema | head -1",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("schema")
    assert done.stderr == ""


def _on_ranks(
    case_file: Path, launcher: str, signalled: int | None = None, cores: int = 2
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`run --ranks 2` beside a stand-in mpiexec, a shell script; and the folder of that."""
    folder = case_file.parent / "bin"
    folder.mkdir()
    (folder / "mpiexec").write_text(f"#!/bin/sh\n{launcher}\n")
    (folder / "mpiexec").chmod(0o755)
    command = (
        f"import os, sys; os.sched_getaffinity = lambda pid: range({cores}); "
        "from fem.cli import main; sys.executable = sys.argv[1]; "
        "sys.exit(main.main(sys.argv[2:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for name in ("OMP_NUM_THREADS", "PMI_RANK", "OMPI_COMM_WORLD_RANK", SLEEPING_RANKS):
        environment.pop(name, None)
    arguments = ["run", "mine.toml", "--ranks", "2", "--set", "title=a b", "--overwrite"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(folder / "python"), *arguments],
        cwd=case_file.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        if signalled is not None:
            while not (case_file.parent / "started").exists():
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signalled)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err), folder


def test_ranks_start_the_launcher_beside_this_python_and_pass_its_exit_code(
    case_file: Path,
) -> None:
    """A stand-in interpreter folder, whose mpiexec only tells how it was called."""
    show = 'printf "%s\\n" "$*"; echo "threads $OMP_NUM_THREADS"; echo "$HOSTPLATE_COMMAND"; exit 3'
    done, folder = _on_ranks(case_file, show)
    assert done.returncode == 3
    expected = f"-n 2 {folder}/python -m fem.cli run mine.toml --out results/mine"
    assert done.stdout.splitlines()[0] == f"{expected} --set=title=a b --overwrite"
    assert done.stdout.splitlines()[1] == "threads 1"
    typed = "hostplate run mine.toml --ranks 2 --set 'title=a b' --overwrite"
    assert done.stdout.splitlines()[2] == typed


@pytest.mark.parametrize(("cores", "value"), [(1, "1"), (2, "unset")])
def test_more_ranks_than_cores_sleep_while_they_wait(
    cores: int, value: str, case_file: Path
) -> None:
    done, _ = _on_ranks(case_file, f"echo ${{{SLEEPING_RANKS}-unset}}", cores=cores)
    assert done.stdout == f"{value}\n"


@pytest.mark.parametrize(
    ("end", "checkpoint"), [("exit 9", True), ("exit 137", False), ("kill -11 $$", True)]
)
def test_a_killed_rank_ends_with_2_and_the_way_on(
    end: str, checkpoint: bool, case_file: Path
) -> None:
    if checkpoint:
        (case_file.parent / "results" / "mine" / "checkpoints" / "state.4").mkdir(parents=True)
    done, _ = _on_ranks(case_file, end)
    assert done.returncode == 2
    assert "hostplate: a rank was killed before it could finish (mpiexec ended with" in done.stderr
    on = "with `hostplate resume results/mine --ranks 2`" if checkpoint else "start again"
    assert done.stderr.rstrip().endswith(on)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_ranks_once(number: signal.Signals, case_file: Path) -> None:
    """Also from the keyboard, which the job does not hear itself."""
    name = number.name.removeprefix("SIG")
    wait = f"trap 'echo got {name}; ended=yes' {name}; touch started; " \
           "while [ -z \"$ended\" ]; do sleep 0.1; done; sleep 0.3; exit 3"
    done, _ = _on_ranks(case_file, wait, number)
    assert (done.returncode, done.stdout) == (3, f"got {name}\n")


def test_a_signal_before_the_solver_is_there(case_file: Path) -> None:
    done, _ = _on_ranks(case_file, "touch started; exec sleep 60", signal.SIGTERM)
    assert done.returncode == 3
    assert "stopped by signal 15; no checkpoint had been written: start again" in done.stderr


# --------------------------------------------------------------------------------- in this process


def _main(*arguments: str) -> int:
    try:
        return main.main(arguments)
    except SystemExit as stop:  # argparse: help and usage errors
        return int(stop.code or 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "no command 'rnu'; did you mean 'run'?"),
        (["check"], "required: case"),
        (["check", "a", "--sett", "x=1"], "unrecognized arguments"),
        (["run", "sand", "--ranks", "0"], "'0' is not a number of ranks"),
        (["check", "trilayr_cg"], "did you mean 'trilayer_cg'"),
        (["check", "nope.toml"], "case file 'nope.toml' does not exist"),
        (["new", "x.toml", "--from", "sadn"], "did you mean 'sand'?"),
        (["resume", "nowhere"], "no results folder 'nowhere'"),
        (["list", "metals"], "invalid choice: 'metals'"),
        (["mesh", "sand"], "required: --out"),
    ],
)
def test_wrong_input_ends_with_1(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(*arguments) == 1
    assert reason in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("--help") == 0
    text = capsys.readouterr().out
    for name, summary, _ in main.COMMANDS:
        assert name in text and summary in text
    for name, _, _ in main.COMMANDS:
        assert _main(name, "--help") == 0
        assert f"hostplate {name}" in capsys.readouterr().out.split("example")[1]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("--version") == 0
    assert capsys.readouterr().out.strip() == f"hostplate {fem.__version__}"


@pytest.mark.parametrize(
    ("error", "code"), [(CaseError("x"), 1), (RunError("x"), 2), (Interrupted("x"), 3)]
)
def test_exit_codes(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(cli_cases, "_do_list", fail)
    assert main.main(["list"]) == code
    assert capsys.readouterr().err == "hostplate: x\n"


def test_a_fault_of_the_program_shows_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli_cases, "_do_list", fail)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    assert main.main(["list"]) == 2
    assert "ZeroDivisionError: oops" in capsys.readouterr().err


def test_new_copies_with_comments_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["new", "sand.toml", "--from", "sand"]) == 0
    assert (tmp_path / "sand.toml").read_text() == case_names()["sand"].read_text()
    assert "next: hostplate check sand.toml" in capsys.readouterr().out
    assert main.main(["check", "sand.toml"]) == 0
    (tmp_path / "sand.toml").write_text("mine")
    assert main.main(["new", "sand.toml", "--from", "sand"]) == 1
    assert (tmp_path / "sand.toml").read_text() == "mine"
    assert "already exists" in capsys.readouterr().err
    assert main.main(["new", "sub/other.toml", "--from", "sand"]) == 0
    assert (tmp_path / "sub" / "other.toml").is_file()


def test_new_takes_the_tables_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "from"
    source.mkdir()
    (source / "i.csv").write_text("t [s],i [mA/cm^2]\n0,0\n3600,1\n")
    data = changed({"protocol.0.current_density": {"table": "i.csv"}})
    (source / "ramp.toml").write_text(to_toml(data))
    monkeypatch.chdir(tmp_path)
    assert main.main(["new", "mine.toml", "--from", "from/ramp.toml"]) == 0
    assert main.main(["check", "mine.toml"]) == 0


def test_list_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["list"]) == 0
    text = capsys.readouterr().out
    for word in ("trilayer_cg", "planar", "fibre_mat", "LiPF6_EC_EMC_3_7", "Cu", "tertiary"):
        assert word in text
    assert main.main(["list", "geometries"]) == 0
    assert "trilayer_cg" not in capsys.readouterr().out


def test_list_shows_every_number_of_a_material(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["list", "materials", "Cu"]) == 0
    text = capsys.readouterr().out
    assert "Li/Cu" in text.partition("pairs")[2]
    for name, entry in (("Cu", solid("Cu")), ("Li/Cu", pair("Li", "Cu"))):
        assert main.main(["list", "materials", name]) == 0
        text = " ".join(capsys.readouterr().out.split())
        for datum, number in entry.numbers().items():
            assert f"{datum} = {number.given} [{number.status}] {number.source}" in text
    assert main.main(["list", "materials", "LiPF6_EC_EMC_3_7"]) == 0
    c0 = electrolyte("LiPF6_EC_EMC_3_7").kappa(1000.0, 298.15)
    assert f"law nyman2008; {c0:.4g} S/m at c0" in capsys.readouterr().out


def test_list_shows_every_parameter_of_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["list", "geometries", "fibre_mat"]) == 0
    text = capsys.readouterr().out
    assert "  clearance: number, 0.02 to 1, default 0.1\n      least distance" in text
    assert "  layers.<n>.porosity: number, above 0, below 1, required\n      pore volume" in text
    assert "  width: length, above 0 m, required" in text
    for family, model in families().items():
        listed = [*parameters(model)]
        assert all(p.meaning and p.kind for p in listed), family
        assert {p.path for p in listed} >= model.model_fields.keys()


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("materials", "Cuu", "'Cu'"),
        ("materials", "Li/Cuu", "'Li/Cu'"),
        ("geometries", "fiber_mat", "'fibre_mat'"),
        ("cases", "sadn", "'sand'"),
        ("physics", "tertary", "'tertiary'"),
    ],
)
def test_list_names_the_nearest(
    kind: str, name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["list", kind, name]) == 1
    assert f"did you mean {hint}" in capsys.readouterr().err


def test_show_gives_the_resolved_case(
    case_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["show", str(case_file), "--set", "protocol.0.duration=2 h"]) == 0
    shown = capsys.readouterr().out
    assert 'duration = "2 h"' in shown and "checkpoint_wall" in shown
    (tmp_path / "again.toml").write_text(shown)
    assert main.main(["show", str(tmp_path / "again.toml")]) == 0
    assert capsys.readouterr().out == shown


def test_show_schema_names_units_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["show", "schema"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line for line in lines if not line.startswith(" ")}
    assert "ohm*m^2" in rows["kinetics.<n>.film_resistance"]
    assert "default 1 s" in rows["time.dt0"]
    assert "metal | foil | cathode | ideal | reservoir | blocking" in rows["counter.kind"]


def test_check_tells_what_will_be_solved(
    case_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["check", str(case_file)]) == 0
    text = capsys.readouterr().out
    assert "plate 1 mA/cm^2 for 1 h" in text
    assert "host_bottom: Cu" in text
    assert "checked" in text and "assumed" in text


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"regions.host_bottom.material": "PVDF", "regions.host_bottom.sigma": "1 S/m"}, "Li/PVDF"),
        (
            {
                "regions.host_bottom": {"material": "PVDF", "sigma": "1 S/m"},
                "kinetics": [
                    {"surface": "host_*", "i0": "1 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}
                ],
            },
            "note       kinetics of host_bottom (Li on PVDF): eta_nuc and the activation energy",
        ),
        ({"temperature": "80 degC"}, "its laws extrapolate"),
        ({"study": "steady"}, "a steady study is one solve: duration not used"),
    ],
)
def test_check_notes_what_may_surprise(
    changes: dict[str, Any], note: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(to_toml(changed(changes)))
    assert main.main(["check", str(tmp_path / "mine.toml")]) == 0
    assert note in capsys.readouterr().out


def test_mesh_and_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coarse = to_toml(changed({"geometry.size": "10 um"}))
    (tmp_path / "mine.toml").write_text(coarse)
    assert main.main(["mesh", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "mesh")]) == 0
    assert "host_bottom" in capsys.readouterr().out
    sidecar = json.loads((tmp_path / "mesh" / "mesh.json").read_text())
    assert {"electrolyte", "host_bottom"} <= sidecar["regions"].keys()
    png = tmp_path / "mesh.png"
    assert main.main(["inspect", str(tmp_path / "mesh"), "--png", str(png)]) == 0
    from_folder = capsys.readouterr().out
    assert png.stat().st_size > 1000
    assert main.main(["inspect", str(tmp_path / "mine.toml")]) == 0
    assert f"hash: {sidecar['hash']}" in from_folder
    assert f"hash: {sidecar['hash']}" in capsys.readouterr().out


def test_run_checks_first_and_hands_over(
    case_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    class Stub:
        @staticmethod
        def main_run(case: Any, folder: Path, **options: Any) -> int:
            seen.update(options, title=case.title, folder=folder)
            return 3

    monkeypatch.setitem(sys.modules, "fem.run.session", Stub)  # type: ignore[arg-type]
    assert main.main(["run", str(case_file), "--set", "title=other", "--quiet"]) == 3
    assert seen == {
        "title": "other",
        "folder": Path("results/mine"),
        "overwrite": False,
        "hooks": False,
        "quiet": True,
    }
    seen.clear()
    assert main.main(["run", str(case_file), "--set", "title=3"]) == 1
    assert not seen
    assert "title: 3: must be text" in capsys.readouterr().err


def test_far_more_ranks_than_cores_are_a_slip(
    case_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(sys, "executable", str(case_file.parent / "python"))  # nothing beside it
    monkeypatch.setenv("PATH", "")
    for name in BATCH:
        monkeypatch.delenv(name, raising=False)
    assert main.main(["run", str(case_file), "--ranks", "17"]) == 1
    assert "--ranks 17: this machine gives 2 cores" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # ranks go to other nodes, too
    assert main.main(["run", str(case_file), "--ranks", "17"]) == 1
    assert "no mpiexec or mpirun" in capsys.readouterr().err


def test_ranks_inside_an_mpi_job_are_refused(
    case_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    assert main.main(["run", str(case_file), "--ranks", "2"]) == 1
    assert "--ranks cannot be used inside an MPI job" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ on two ranks


def _fail_on(ranks: list[int], patience: float) -> int:
    """The command on each rank of a job; it fails on some, which wait for the others, s."""
    from fem.compat import MPI

    def fail(_: Any) -> None:
        raise CaseError("a mistake")

    cli_cases._do_list, main._PATIENCE = fail, patience  # type: ignore[assignment]
    code = main.main(["list"]) if MPI.COMM_WORLD.rank in ranks else 0
    MPI.COMM_WORLD.Barrier()
    return code


def test_a_mistake_seen_by_all_ranks_ends_all(mpirun: Any) -> None:
    assert mpirun(2, _fail_on, [0, 1], 30.0) == 1


def test_a_mistake_seen_by_one_rank_leaves_none_waiting(mpirun: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)exit 1:.*rank 1: hostplate: a mistake"):
        mpirun(2, _fail_on, [1], 0.5, timeout=60)
