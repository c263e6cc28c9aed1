"""The report of a result: what it says, and that it needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.contract.physics import VOLTAGE_PARTS
from fem.post.split import LOOKS
from fem.results.result import Result
from fem.run.report import _mesh, _with_current, answer, report
from tests.verification.cells import PLAIN, case, kinetics

#: What a page on its own may not ask for.
ELSEWHERE = re.compile(r"""(?:src|href)\s*=\s*["'](?!data:)|<script|<link|@import|url\(""")


class Reader(HTMLParser):
    """Text of a page, and whether all that is opened is shut."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(" ".join(data.split()))


def test_bodies_off_the_collector_are_said_to_join_outside_the_plane(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_text("t [s]\n")
    result = Result(tmp_path)
    for floating, joined, words in ((0, True, None), (44, False, "44"),
                                    (44, True, "44 in the plane; they join outside it")):
        (tmp_path / "mesh.json").write_text(json.dumps({"floating_solids": floating}))
        region = SimpleNamespace(connected=joined, bridge_sigma=None)
        of: Any = SimpleNamespace(regions={"host_a": region})
        rows = dict(_mesh(result, of))
        assert rows.get("solid bodies off the collector") == words


def test_a_page_that_says_all_and_needs_no_network(tmp_path: Path) -> None:
    """100 A/m2 through 100 um at 1 S/m and a film: 10 mV each, and next to none of kinetics."""
    data = case(
        study="secondary", materials={"ideal": PLAIN}, title="Is <it> the film?",
        geometry={"family": "planar", "length": "100 um", "size": "50 um", "size_width": "10 um"},
        kinetics=[kinetics("collector", film_resistance="1e-4 ohm*m^2"), kinetics("counter")],
        notes="A film & a gap.",
    )
    result = Case.from_dict(data).run(tmp_path / "r")
    file = report(result.folder)
    page = file.read_text(encoding="utf-8")
    assert not ELSEWHERE.search(page)
    reader = Reader(page)
    assert not reader.open
    said = reader.said
    for text in ("Is <it> the film?", "A film & a gap.", "What decides", "Not in the model",
                 "film, plating side", "local_reduction",
                 "voltage_parts: where the voltage goes: "
                 "what each process takes of it"):
        assert any(text in each for each in said), text
    assert said[said.index("ohmic, ions") + 1] == "-10.0000"
    assert answer(result).startswith("Secondary study, plating 10 mA/cm²; cell voltage -2")
    pictures = re.findall(r'base64,([^"]+)"', page)
    assert len(pictures) >= 2
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for data in pictures)
    assumed = page[page.index("Assumed numbers"):page.index("Not in the model")]
    assert "molar_volume" not in assumed and "<td>" in assumed  # cited, and some are assumed


def test_parts_are_those_of_the_last_step_with_a_current() -> None:
    """Ten seconds of plating and a rest, whose parts are those of the summary."""
    series = {"t": np.array([5.0, 10.0, 20.0]), "current_density": np.array([-10.0, -10.0, 1e-16]),
              "voltage": np.array([-0.1, -0.2, -0.001]), "V_film": np.array([-0.1, -0.2, 0.0])}
    summary = {"voltage_parts": {"film": 0.0}, "voltage": -0.001}
    result: Any = SimpleNamespace(series=series, summary=summary)
    assert _with_current(result) == ({"film": -0.2}, -0.2, ", t = 10 s")
    result.series = {name: values[:1] for name, values in series.items()}
    assert _with_current(result) == ({"film": 0.0}, -0.001, "")


def test_every_part_of_the_voltage_has_its_words() -> None:
    assert LOOKS.keys() == VOLTAGE_PARTS.keys()


def test_a_map_has_an_answer(tmp_path: Path) -> None:
    """0.3 V over 30 um is 1e4 V/m everywhere."""
    ends = {"collector": {"phi": "0 V"}, "counter": {"phi": "0.3 V"}}
    data = case(study="map", map={"kind": "conduction", "boundaries": ends}, geometry={
        "family": "planar", "length": "30 um", "size": "10 um", "size_width": "10 um"})
    for key in ("protocol", "time", "kinetics"):
        del data[key]
    assert answer(Case.from_dict(data).run(tmp_path / "r")) == (
        "Map of conduction: field 1e+04 V/m in the mean, 1e+04 V/m at most, within 20% of the mean "
        "in 100% of the pores.")


def test_a_run_that_has_not_finished_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_text("t [s]\n")
    with pytest.raises(CaseError, match="has not finished"):
        report(tmp_path)
