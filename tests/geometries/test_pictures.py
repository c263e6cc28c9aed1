"""Image files: the values that are stored in them, or the reason why not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geometries
from fem.base.errors import CaseError
from geometries.building import check_place
from geometries.files import pictures
from geometries.registry import resolve

A = (np.arange(24 * 30).reshape(24, 30) % 5 * 50).astype(np.uint8)  # 0 50 100 150 200
BITS = A > 60
LA = np.dstack([A, 255 - A])


def tif(file: Path, array: Any, *, white_is_zero: bool = False, order: Any = "<") -> None:
    """A plain TIFF 6.0 of one page, byte by byte: what is stored is known."""
    array = np.asarray(array)
    rows = np.packbits(array, axis=1) if array.dtype == bool else array
    data = rows.astype(rows.dtype.newbyteorder(order)).tobytes()
    bits = 1 if array.dtype == bool else 8 * array.itemsize
    sign = {"i": 2, "f": 3}.get(array.dtype.kind, 1)
    entries = [(256, array.shape[1]), (257, array.shape[0]), (258, bits), (259, 1),
               (262, 0 if white_is_zero else 1), (273, 0), (277, 1), (278, array.shape[0]),
               (279, len(data)), (339, sign)]
    start = 8 + 2 + 12 * len(entries) + 4
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "HLH", 42, 8, len(entries))
    for tag, value in entries:
        out += struct.pack(order + "HHLL", tag, 4, 1, start if tag == 273 else value)
    file.write_bytes(out + struct.pack(order + "L", 0) + data)


def pil(array: Any, mode: str | None = None, **options: Any) -> Callable[[Path], None]:
    """Saved by Pillow in the format of the ending."""
    from PIL import Image

    def save(file: Path) -> None:
        picture = Image.fromarray(np.asarray(array))
        (picture.convert(mode) if mode else picture).save(file, **options)

    return save


def pages(*arrays: Any, **options: Any) -> Callable[[Path], None]:
    from PIL import Image

    def save(file: Path) -> None:
        first, *rest = [Image.fromarray(a) for a in arrays]
        first.save(file, save_all=True, append_images=rest, **options)

    return save


def palette(file: Path) -> None:
    """Five colours whose numbers are 0 to 4, three of them the same grey."""
    from PIL import Image

    picture = Image.fromarray(A // 50, mode="L")
    picture = picture.convert("P")
    picture.putdata((A // 50).ravel().tolist())
    picture.putpalette([255, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 255])
    picture.save(file)


READ: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
    "grey": ("a.png", pil(A), A),
    "grey, upper case": ("a.PNG", pil(A), A),
    "16 bit": ("a.png", pil(A.astype(np.uint16) * 257), A.astype(np.uint16) * 257),
    "1 bit": ("a.png", pil(BITS), BITS),
    "palette": ("a.png", palette, A // 50),
    "palette in tif": ("a.tif", palette, A // 50),
    "tif": ("a.tif", lambda f: tif(f, A), A),
    "tif, compressed": ("a.tif", pil(A, compression="tiff_lzw"), A),
    "tif, white is zero": ("a.tif", lambda f: tif(f, A, white_is_zero=True), A),
    "tif, white is zero, compressed": (
        "a.tif", pil(A, compression="tiff_adobe_deflate", tiffinfo={262: 0}), 255 - A),
    "tif, white is zero, 16 bit": (
        "a.tif", lambda f: tif(f, A.astype(np.uint16) * 9, white_is_zero=True),
        A.astype(np.uint16) * 9),
    "tif, white is zero, 1 bit": ("a.tif", lambda f: tif(f, BITS, white_is_zero=True), BITS),
    "tif, 1 bit": ("a.tif", lambda f: tif(f, BITS), BITS),
    "tif, 16 bit of the other order": (
        "a.tiff", lambda f: tif(f, A.astype(np.uint16) * 9, order=">"), A.astype(np.uint16) * 9),
    "tif, below zero": ("a.tif", lambda f: tif(f, A.astype(int).astype(np.int8)),
                        A.astype(int).astype(np.int8)),
    "tif, 32 bit": ("a.tif", lambda f: tif(f, A.astype(np.uint32) * 2**24),
                    A.astype(np.uint32) * 2**24),
    "tif, floats": ("a.tif", lambda f: tif(f, A.astype(np.float32) / 7),
                    A.astype(np.float32) / 7),
    "pages": ("a.tif", pages(A, A + 1, A + 2), np.stack([A, A + 1, A + 2])),
    "pages of a compressed stack": ("a.tif", pages(A, A + 1, compression="packbits"),
                                    np.stack([A, A + 1])),
    "numpy": ("a.npy", lambda f: np.save(f, A), A),
    "numpy, yes and no": ("a.npy", lambda f: np.save(f, BITS), BITS),
    "numpy, floats": ("a.npy", lambda f: np.save(f, A / 7), A / 7),
    "numpy, packed": ("a.npz", lambda f: np.savez_compressed(f, A), A),
}


@pytest.mark.parametrize("kind", READ)
def test_values_are_the_stored_ones(kind: str, tmp_path: Path) -> None:
    name, save, stored = READ[kind]
    save(tmp_path / name)
    found = pictures.values(tmp_path / name)
    assert pictures.shape(tmp_path / name) == found.shape == stored.shape
    np.testing.assert_array_equal(found.astype(float), stored.astype(float))


REFUSED: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "grey with alpha": ("a.png", pil(LA), "alpha channel"),
    "grey with alpha in tif": ("a.tif", pil(LA), "alpha channel"),
    "colour with alpha": ("a.png", pil(A, "RGBA"), "alpha channel"),
    "palette with alpha": ("a.tif", pil(A, "PA"), "alpha channel"),
    "colour": ("a.tif", pil(A, "RGB"), "in colour"),
    "jpeg": ("a.jpg", pil(A), "a JPEG, which changes values"),
    "jpeg called png": ("a.png", pil(A, format="jpeg"), "a JPEG, which changes values"),
    "jpeg in tif": ("a.tif", pil(A, compression="jpeg"), "changes values"),
    "gif": ("a.gif", pil(A), "is a GIF; save .npy, .tif or .png"),
    "pages of two sizes": ("a.tif", pages(A, A[:9]), "different sizes"),
    "a page in colour": ("a.tif", pages(A, np.dstack([A] * 3)), "in colour"),
    "animated": ("a.png", pages(A, A + 1), "animated"),
    "channels of ImageJ": (
        "a.tif", pages(A, A, tiffinfo={270: "ImageJ=1.53\nimages=2\nchannels=2\n"}), "2 channels"),
    "times of ImageJ": (
        "a.tif", pages(A, A, tiffinfo={270: "ImageJ=1.53\nimages=2\nframes=2\n"}), "2 times"),
    "ImageJ above 4 GB": ("a.tif", pil(A, tiffinfo={270: "ImageJ=1.53\nimages=90\nslices=90\n"}),
                          "90 pages, 1 are found"),
    "nan": ("a.npy", lambda f: np.save(f, np.where(BITS, np.nan, A)), "not finite"),
    "complex": ("a.npy", lambda f: np.save(f, A * 1j), "of type complex128"),
    "texts": ("a.npy", lambda f: np.save(f, A.astype(str)), "of type <U"),
    "objects": ("a.npy", lambda f: np.save(f, A.astype(object), allow_pickle=True), "damaged"),
    "empty": ("a.png", lambda f: f.write_bytes(b""), "damaged"),
    "a text": ("a.tif", lambda f: f.write_text("II"), "damaged"),
    "no array": ("a.npz", lambda f: np.savez(f), "no array"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_be_misread_is_refused(kind: str, tmp_path: Path) -> None:
    name, save, reason = REFUSED[kind]
    save(tmp_path / name)
    with pytest.raises(CaseError) as caught:
        geometries.build("image", {"file": str(tmp_path / name), "voxel": "1 um",
                                   "regions": {0: "electrolyte", 1: "host"}}, tmp_path / "out")
    message = str(caught.value)
    assert f"file: {name} cannot be read as an image: " in message and reason in message
    assert "Error" not in message and "allow_pickle" not in message
    assert any(way_out in message for way_out in ("save", "give them"))


def test_few_bits_are_refused(tmp_path: Path) -> None:
    """2 bits: 0 to 3 for some programs, 0 to 255 for others."""
    import zlib

    rows = b"".join(b"\0" + bytes([0b00011011] * 2) for _ in range(8))
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", struct.pack(">IIBBBBB", 8, 8, 2, 0, 0, 0, 0)),
                       (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        out += struct.pack(">I", len(data)) + name + data
        out += struct.pack(">I", zlib.crc32(name + data))
    (tmp_path / "a.png").write_bytes(out)
    with pytest.raises(ValueError, match="2 bits a pixel"):
        pictures.shape(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["grey", "tif, compressed", "pages", "numpy", "numpy, packed"])
def test_a_picture_cut_short(kind: str, tmp_path: Path) -> None:
    """Cut anywhere it is refused, or only what stands behind the values is missing."""
    name, save, stored = READ[kind]
    save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    refused = 0
    for length in np.linspace(1, len(whole) - 1, 60).astype(int):
        (tmp_path / name).write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(pictures.values(tmp_path / name), stored)
        except ValueError as error:
            assert f"{name} cannot be read as an image: it is damaged" in str(error)
            refused += 1
    assert refused > 45


def test_a_picture_with_white_as_zero_has_the_porosity_that_is_stored(tmp_path: Path) -> None:
    """A quarter of the picture is a solid block of 255 on the collector: porosity 0.75."""
    labels = np.zeros((60, 60), dtype=np.uint8)
    labels[:30, :30] = 255
    tif(tmp_path / "a.tif", labels, white_is_zero=True)
    side = geometries.build("image", {
        "file": str(tmp_path / "a.tif"), "voxel": "1 um",
        "regions": {0: "electrolyte", 255: "host_carbon"}}, tmp_path / "out")
    assert side["voxel_porosity"] == 0.75
    assert side["porosity"]["image"] == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    ("regions", "more", "message"),
    [
        ({0: "electrolyte", 50: "host_a", 150: "host_b", 151: "host_c", 200: "host_d"}, {},
         ["label 100 has no region; labels 0 to 255 found: 0, 50, 100, 150, 200",
          "regions 151 occurs nowhere; labels found: 0, 50, 100, 150, 200"]),
        ({0: "electrolyte", 7: "host_a", 8: "host_b"}, {},
         ["labels 50, 100, 150, 200 have no region", "regions 7, 8 occur nowhere"]),
        ({0: "electrolyte", 1: "host_a", 2: "host_b"}, {"threshold": [75.0, 220.0]},
         ["regions 2 occurs nowhere; labels found: 0, 1"]),
        ({0: "electrolyte", 1: "host_a"}, {"threshold": [75.0, 120.0]}, ["label 2 has no region"]),
    ],
)
def test_labels_and_regions_match(
    regions: dict[int, str], more: dict[str, Any], message: list[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", A)
    with pytest.raises(CaseError) as caught:
        geometries.build("image", {"file": str(tmp_path / "a.npy"), "voxel": "1 um",
                                   "regions": regions, **more}, tmp_path / "out")
    for line in message:
        assert line in str(caught.value)


def test_labels_without_a_region_are_found_by_check(tmp_path: Path) -> None:
    """A mask of 0 and 255 for regions 0 and 1: it is read, with the words of a run."""
    np.save(tmp_path / "a.npy", np.where(A > 0, 255, 0).astype(np.uint8))
    mask = {"file": str(tmp_path / "a.npy"), "voxel": "1 um",
            "regions": {0: "electrolyte", 1: "host_a"}}
    with pytest.raises(CaseError, match=r"label 255 has no region; .* found: 0, 255"):
        check_place("image", resolve("image", mask))


@pytest.mark.parametrize(("shape", "message"), [
    ((24,), "1 axes of"), ((24, 24, 24, 3), "4 axes of"), ((24, 24, 1), "an axis of length 1"),
    ((1, 24, 24), "an axis of length 1"), ((24, 30, 3), "as colours and alpha have"),
    ((24, 30, 2), "as colours and alpha have"), ((24, 30, 4), "as colours and alpha have"),
])
def test_arrays_of_other_shapes_are_refused(
    shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype=np.uint8))
    with pytest.raises(CaseError, match=message):
        geometries.build("image", {"file": str(tmp_path / "a.npy"), "voxel": "1 um",
                                   "coarsen": 0.5,
                                   "regions": {0: "electrolyte", 1: "host"}}, tmp_path / "out")
