"""Loads all blocks of a result into ParaView, in micrometres, each coloured by a field.

A block is coloured by the first of its fields that the run has written down (fields/fields.json).
What pores conduct for electrons (`solid_bridge`) lies over these pores and is loaded, but hidden.

    pvpython load_in_paraview.py [FOLDER] [--png FILE] [--state FILE]   without a window
    paraview --script=load_in_paraview.py                              in the window

FOLDER is a result folder of hostplate; default HOSTPLATE_RESULT, RESULT below, or the folder of
this script. Runs in the Python of ParaView >= 5.11 and needs nothing of hostplate.
"""

import json
import math
import os
import sys

#: Result folder of a script that stands elsewhere.
RESULT = ""
#: Colour maps that ParaView has under its own names; others are drawn in the first.
COLOURS = {name: name.capitalize() + " (matplotlib)"
           for name in ("viridis", "plasma", "magma", "inferno")}
#: Colour of conductors beside walls or pores that are coloured.
GREY = [0.62, 0.62, 0.62]
#: End of the names of blocks that lie over others.
OVER_PORES = "_bridge"
#: Size of pictures, in pixels.
SIZE = [1200, 900]
#: Places of scale bars, in shares of the picture.
PLACES = ([0.84, 0.08], [0.84, 0.55])
#: Room for them beside a cut: how much less of the picture it takes, and its way to the left, in
#: half heights of the picture.
SMALLER, ASIDE = 1.25, 0.2


def blocks_of(folder):
    """Names of the blocks of fields in a result folder."""
    fields = os.path.join(folder, "fields")
    if not os.path.isdir(fields):
        raise SystemExit(f"{folder}: no folder `fields`; name a result folder of hostplate")
    return sorted(name[:-5] for name in os.listdir(fields) if name.endswith(".xdmf"))


def declared(folder):
    """Units and regions, as the run wrote them down."""
    try:
        with open(os.path.join(folder, "fields", "fields.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def digits(low, high):
    """Significant digits that tell the labels of a scale bar from each other."""
    most, wide = max(abs(low), abs(high)), abs(high - low)
    return 3 + (max(0, min(9, int(math.log10(most / wide)) + 1)) if most > 2 * wide > 0 else 0)


def load(folder):
    """Put all blocks of a result into the pipeline; block -> its source, in micrometres."""
    from paraview import simple as pv

    known = declared(folder).get("fields", {})
    view, found, coloured = pv.GetActiveViewOrCreate("RenderView"), {}, []
    view.UseColorPaletteForBackground = 0
    view.BackgroundColorMode, view.Background = "Single Color", [1.0, 1.0, 1.0]
    view.OrientationAxesLabelColor = [0.0, 0.0, 0.0]
    blocks = blocks_of(folder)
    for block in blocks:
        reader = pv.XDMFReader(FileNames=[os.path.join(folder, "fields", block + ".xdmf")])
        pv.RenameSource(block + " (m)", reader)
        source = pv.Transform(Input=reader, Transform="Transform")
        source.Transform.Scale = [1e6, 1e6, 1e6]
        pv.RenameSource(block, source)
        source.UpdatePipeline()
        shown = pv.Show(source, view)
        pv.Hide(reader, view)
        found[block] = source
        names = list(source.PointData.keys()) + list(source.CellData.keys())
        field = next((name for name in known if name in names), None)
        if field is None or (block == "solid" and len(blocks) > 1):
            pv.ColorBy(shown, None)
            shown.AmbientColor = shown.DiffuseColor = GREY
            continue
        if block.endswith(OVER_PORES):
            pv.Hide(source, view)
            continue
        place = "POINTS" if field in source.PointData.keys() else "CELLS"
        pv.ColorBy(shown, (place, field))
        preset = COLOURS.get(known[field].get("colours", ""), COLOURS["viridis"])
        preset = "Grayscale" if known[field].get("fills") else preset
        pv.GetColorTransferFunction(field).ApplyPreset(preset, True)
        coloured.append((block, field, shown))
        if block == "walls":
            shown.LineWidth = 4.0
    scene = pv.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    scene.GoToLast()
    barred: list = []
    for _, field, shown in coloured:
        shown.RescaleTransferFunctionToDataRange(False, True)
        if field in barred or len(barred) == len(PLACES):
            continue
        shown.SetScalarBarVisibility(view, True)
        bar = pv.GetScalarBar(pv.GetColorTransferFunction(field), view)
        unit = known.get(field, {}).get("unit", "")
        bar.Title, bar.ComponentTitle = field + (f" ({unit})" if unit else ""), ""
        bar.TitleColor = bar.LabelColor = [0.0, 0.0, 0.0]
        bar.TitleFontSize, bar.LabelFontSize, bar.ScalarBarLength = 14, 12, 0.35
        ends = pv.GetColorTransferFunction(field).RGBPoints
        shape = f"%-.{digits(float(ends[0]), float(ends[-4]))}g"
        bar.AutomaticLabelFormat, bar.LabelFormat, bar.RangeLabelFormat = 0, shape, shape
        bar.WindowLocation, bar.Position = "Any Location", PLACES[len(barred)]
        barred.append(field)
    grid = view.AxesGrid
    grid.Visibility = 1
    grid.XTitle, grid.YTitle, grid.ZTitle = "x (um)", "y (um)", "z (um)"
    for axis in "XYZ":
        for part in ("TitleColor", "LabelColor"):
            setattr(grid, axis + part, [0.0, 0.0, 0.0])
    grid.GridColor = [0.5, 0.5, 0.5]
    if all(abs(s.GetDataInformation().GetBounds()[5]) < 1e-9 for s in found.values()):
        view.InteractionMode = "2D"
    pv.ResetCamera(view)
    if view.InteractionMode == "2D" and barred:
        view.CameraParallelScale = SMALLER * float(view.CameraParallelScale)
        for place in ("CameraPosition", "CameraFocalPoint"):
            x, y, z = getattr(view, place)
            setattr(view, place, [x + ASIDE * view.CameraParallelScale, y, z])
    pv.Render(view)
    return found


def option(words, name):
    """Value of an option, taken out of the words; None without it."""
    if name not in words:
        return None
    place = words.index(name)
    value = words[place + 1]
    del words[place : place + 2]
    return value


def main(words):
    """Load the result that the command line, the environment or the place of this script names."""
    from paraview import simple as pv

    picture, state = option(words, "--png"), option(words, "--state")
    here = os.path.dirname(os.path.abspath(__file__))
    folder = words[0] if words else os.environ.get("HOSTPLATE_RESULT", RESULT or here)
    if picture:
        pv.GetActiveViewOrCreate("RenderView").ViewSize = SIZE
    found = load(folder)
    for block, source in found.items():
        low = source.GetDataInformation().GetBounds()
        cells = source.GetDataInformation().GetNumberOfCells()
        print(f"{block}: {cells} cells, {low[1] - low[0]:.6g} um wide")
    if picture:
        pv.SaveScreenshot(picture, pv.GetActiveView(), ImageResolution=SIZE)
    if state:
        pv.SaveState(state)


if __name__ in ("__main__", "__vtkconsole__"):
    main(sys.argv[1:])
