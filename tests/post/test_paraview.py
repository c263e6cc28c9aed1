"""The script that opens a result in ParaView, with a stand-in for ParaView."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from fem.post import load_in_paraview as script


@pytest.mark.parametrize(("low", "high", "known"), [
    (996.1, 1015.5, 5), (-2.6, -2e-4, 3), (0.0, 0.0, 3), (3.0, 3.0, 3), (1.0, 1.0 + 1e-6, 10),
])  # fmt: skip
def test_labels_have_digits_enough_to_differ(low: float, high: float, known: int) -> None:
    """A hundredth of the range is written; an even field has no more than others."""
    digits = script.digits(low, high)
    assert digits == known
    if high > low:
        labels = {f"{low + share * (high - low) / 4:.{digits}g}" for share in range(5)}
        assert len(labels) == 5


def test_blocks_have_the_colours_of_the_first_field_that_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `fields.json`, whatever the physics; others of the block and the host's solid are grey."""
    fields = {"heard": {"colours": "cividis"}, "seen": {"colours": "magma", "unit": "m"},
              "share": {"fills": True}}
    has = {"pore": ["seen", "heard"], "metal": ["share"], "walls": ["seen"], "solid": ["seen"],
           "insulator": ["region"], "solid_bridge": ["heard"]}
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "fields.json").write_text(json.dumps({"fields": fields}))
    for block in has:
        (tmp_path / "fields" / f"{block}.xdmf").write_text("")
    pv = MagicMock()
    view = pv.GetActiveViewOrCreate.return_value
    view.CameraPosition, view.CameraFocalPoint = [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    blocks, sources = iter(sorted(has)), {}

    def transform(**_: object) -> MagicMock:
        block, source = next(blocks), MagicMock()
        sources[block] = source
        source.PointData.keys.return_value = has[block]
        source.CellData.keys.return_value = []
        source.GetDataInformation().GetBounds.return_value = [0.0] * 6
        return source

    pv.Transform.side_effect = transform
    monkeypatch.setitem(sys.modules, "paraview", MagicMock(simple=pv))
    script.load(str(tmp_path))
    hidden = [call.args[0] for call in pv.Hide.call_args_list]
    assert [n for n, s in sources.items() if s in hidden] == ["solid_bridge"]  # it is over the pore
    by = [call.args[1] for call in pv.ColorBy.call_args_list]
    assert by == [None, ("POINTS", "share"), ("POINTS", "heard"), None, ("POINTS", "seen")]
    presets = pv.GetColorTransferFunction.return_value.ApplyPreset.call_args_list
    assert [call.args[0] for call in presets] == [
        "Grayscale", "Viridis (matplotlib)", "Magma (matplotlib)",
    ]  # fmt: skip
