"""File names of any bytes and any locale, folders that are none, a view without a display."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem.base.errors import CaseError
from fem.case.files import to_toml
from fem.cli.main import main
from tests.case.base import BASE

ROOT = Path(__file__).parents[2]
LATIN = os.fsdecode(b"gr\xf6\xdfe")  # no UTF-8
STEADY: dict[str, Any] = {
    "schema": 1, "title": "größe", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
    "study": "primary", "geometry": {"family": "planar", "length": "20 um", "size": "10 um"},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2"}],
    "output": {"figures": False},
}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}

Command = Callable[..., subprocess.CompletedProcess[str]]


def latin_folder(parent: Path) -> Path:
    try:
        (parent / LATIN).mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return parent / LATIN


@pytest.mark.parametrize("command", ["check", "run", "mesh", "inspect"])
def test_a_case_whose_name_is_not_utf8(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (latin_folder(tmp_path) / "a.toml").write_text(to_toml(BASE))
    more = ["--out", str(tmp_path / "out")] if command in ("run", "mesh") else []
    assert main([command, str(tmp_path / LATIN / "a.toml"), *more]) == 1
    message = capsys.readouterr().err
    assert rf"{tmp_path}/gr\xf6\xdfe/a.toml' is not UTF-8" in message
    assert f"rename it, perhaps to '{tmp_path}/größe/a.toml'" in message
    assert message.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["run", "sand", "--out", LATIN], ["resume", LATIN],
                                       ["post", LATIN], ["view", LATIN], ["compare", LATIN, "b"],
                                       ["check", "sand", "--set", f"title={LATIN}"]])
def test_other_names_that_are_not_utf8(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert r"gr\xf6\xdfe' is not UTF-8" in capsys.readouterr().err


def test_a_working_folder_whose_name_is_not_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(latin_folder(tmp_path))
    assert main(["check", "sand"]) == 1
    assert r"gr\xf6\xdfe' is not UTF-8" in capsys.readouterr().err


def test_python_refuses_such_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fem import Case
    from fem.base.folder import refuse_folder
    from fem.case.meshes import cache_folder

    with pytest.raises(CaseError, match="is not UTF-8"):
        Case.load(str(latin_folder(tmp_path) / "a.toml"))
    with pytest.raises(CaseError, match="is not UTF-8"):
        refuse_folder(tmp_path / LATIN)
    monkeypatch.setenv("HOSTPLATE_CACHE", str(tmp_path / LATIN))
    with pytest.raises(CaseError, match=r"the cache folder .* is not UTF-8"):
        cache_folder()


def test_a_script_of_that_name_can_use_the_solver(tmp_path: Path) -> None:
    """DOLFINx would not be imported: its logging takes sys.argv."""
    script = latin_folder(tmp_path) / "solve.py"
    script.write_text("import sys\nfrom fem.compat import MPI\nprint(sys.argv[0] == __file__)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_locale_of_ascii_runs_a_case_of_any_name(run_cli: Command, tmp_path: Path) -> None:
    """Command line, working folder, results: the command goes on in UTF-8."""
    folder = tmp_path / "Zelle ä"
    folder.mkdir()
    (folder / "größe.toml").write_text(to_toml(STEADY), encoding="utf-8")
    done = run_cli("run", "größe.toml", "--quiet", cwd=folder, env=ASCII)
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "größe" / "summary.json").is_file()


def test_an_output_of_ascii_shows_any_title(run_cli: Command, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(to_toml(STEADY), encoding="utf-8")
    done = run_cli("check", "a.toml", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and r"gr\xf6\xdfe" in done.stdout, done.stderr


def test_a_locale_of_ascii_finds_the_files_that_a_case_names(
    run_cli: Command, tmp_path: Path
) -> None:
    case = STEADY | {"mesh": {"file": "größe.msh", "unit": "um"}}
    del case["geometry"]
    (tmp_path / "a.toml").write_text(to_toml(case), encoding="utf-8")
    (tmp_path / "größe.msh").write_text("")
    done = run_cli("check", "a.toml", cwd=tmp_path, env=ASCII)
    assert done.returncode == 1 and "größe.msh: is empty" in done.stderr, done.stderr


# ------------------------------------------------------------------------------- view and post


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A folder that has fields, as far as `view` looks."""
    (tmp_path / "run" / "fields").mkdir(parents=True)
    (tmp_path / "run" / "fields" / "pore.xdmf").write_text("<Xdmf/>")
    return tmp_path / "run"


def paraview(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for ParaView on PATH."""
    (folder / "bin").mkdir()
    (folder / "bin" / "paraview").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "paraview").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


def test_view_without_a_display(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    paraview(drawn.parent, 'echo opened "$@" by $HOSTPLATE_RESULT', monkeypatch)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(["view", str(drawn)]) == 2
    out, err = capfd.readouterr()
    assert "view needs a display, and there is none" in err and "opened" not in out
    assert f"{drawn}/fields/pore.xdmf" in err
    monkeypatch.setenv("DISPLAY", ":7")
    assert main(["view", str(drawn)]) == 0
    out = capfd.readouterr().out  # ParaView loads all blocks by our script
    assert re.search(rf"opened --script=\S+/load_in_paraview.py by {drawn}\n", out)


@pytest.mark.parametrize(("script", "how"), [("kill -ABRT $$", "by SIGABRT"), ("exit 134",
                                                                         "with exit code 134")])
def test_view_on_a_display_that_is_not_there(
    script: str, how: str, drawn: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paraview(drawn.parent, script, monkeypatch)
    monkeypatch.setenv("DISPLAY", ":7")
    assert main(["view", str(drawn)]) == 2
    message = capfd.readouterr().err
    assert f"ParaView ended {how}; if it cannot reach the display ':7'" in message


@pytest.mark.parametrize("command", ["view", "post"])
def test_folders_that_hold_nothing_to_show(
    command: str, drawn: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (drawn.parent / "empty").mkdir()
    (drawn.parent / "file").write_text("")
    for name, reason in (("nowhere", "there is no such folder"), ("empty", "holds no results"),
                         ("file", "is a file; name the folder that a run has written")):
        assert main([command, str(drawn.parent / name)]) == 1
        assert reason in capfd.readouterr().err


def test_post_says_what_is_damaged_in_words(
    drawn: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (drawn / "series.csv").write_bytes(b"\xff\xfe\0")
    (drawn / "fields" / "pore.xdmf").write_text("<Xdmf")
    (drawn / "summary.json").write_text('{\n"a"')
    assert main(["post", str(drawn)]) == 1
    message = capfd.readouterr().err + caplog.text
    assert "series.csv: not a table of numbers" in message
    assert "pore.xdmf: is damaged: no whole XML (line 1)" in message
    assert "summary.json: is damaged: no JSON (line 2)" in message
    assert "no figure was drawn: nothing was written yet, or its files are damaged" in message
    assert "codec" not in message and "Error" not in message
    (drawn / "figures").write_text("")
    assert main(["post", str(drawn)]) == 1
    assert "figures: is a file; move it away" in capfd.readouterr().err


def test_a_picture_that_cannot_be_written_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    case = {"title": "a", "geometry": STEADY["geometry"]}
    (tmp_path / "a.toml").write_text(to_toml(case))
    png = tmp_path / "nowhere" / "a.png"
    assert main(["inspect", str(tmp_path / "a.toml"), "--png", str(png)]) == 2
    assert capfd.readouterr().err == (
        f"hostplate: {png}: No such file or directory; check the path, or make the folder first\n"
    )
    assert main(["mesh", str(tmp_path / "a.toml"), "--out", str(tmp_path / "a.toml")]) == 2
    assert capfd.readouterr().err.endswith("a.toml: File exists; choose another folder\n")


def test_a_machine_that_cannot_draw_in_3d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """VTK dies there; the command does not."""
    geometry = STEADY["geometry"] | {"dimension": 3, "width": "20 um", "breadth": "20 um"}
    (tmp_path / "a.toml").write_text(to_toml({"title": "a", "geometry": geometry}))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["inspect", str(tmp_path / "a.toml"), "--png", str(tmp_path / "a.png")]) == 2
    assert "VTK cannot draw in 3D here" in capfd.readouterr().err
