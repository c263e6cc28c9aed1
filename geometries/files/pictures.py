"""Image files as arrays of the values that are stored in them: .npy, .npz, .tif (pages), .png."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_LOSSY = ("jpeg", "tiff_jpeg", "webp", "jpeg2000")
#: Numbers of TIFF tags.
_BITS, _PHOTOMETRIC, _REMARK, _SIGN = 258, 262, 270, 339


def shape(path: Path) -> tuple[int, ...]:
    """Shape of the array, pages first, without reading its values.

    Raises:
        ValueError: it cannot be read, or not without guessing what its values mean.
    """
    with _told(path):
        if path.suffix.lower() in (".npy", ".npz"):
            return tuple(int(n) for n in _numpy(path).shape)
        with _picture(path) as stack:
            return _pages(stack)


def values(path: Path) -> Any:
    """The array, of the shape that `shape` tells.

    Raises:
        ValueError: as `shape`, or values that are no numbers.
    """
    with _told(path):
        if path.suffix.lower() in (".npy", ".npz"):
            array = np.asarray(_numpy(path))
        else:
            with _picture(path) as stack:
                promised = _pages(stack)
                pages = []
                for number in range(getattr(stack, "n_frames", 1)):
                    stack.seek(number)
                    pages.append(_stored(stack))
                array = (pages[0] if len(pages) == 1 else np.stack(pages)).reshape(promised)
        odd = int(np.sum(~np.isfinite(array))) if array.dtype.kind == "f" else 0
        if odd:
            raise _PictureError(f"{odd} values are not finite (nan or inf); give them a value")
        return array.astype(np.uint8) if array.dtype == bool else array


class _PictureError(ValueError):
    """A fault of an image file, in our own words."""


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow has remarks on tags that nobody needs here
            warnings.filterwarnings("error", "(Corrupt|Truncated)")
            yield
    except _PictureError as error:
        raise ValueError(f"file: {path.name} cannot be read as an image: {error}") from None
    except Exception as error:  # libraries raise whatever a broken file makes them stumble over
        raise ValueError(f"file: {path.name} cannot be read as an image: it is damaged, or of a "
                         "kind that is not known here; save .npy, .tif or .png") from error


def _numpy(path: Path) -> Any:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            if not arrays.files:
                raise _PictureError("it holds no array; save one")
            array = arrays[arrays.files[0]]
    else:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "biuf":
        raise _PictureError(f"its values are of type {array.dtype}; save whole numbers or floats")
    return array


@contextlib.contextmanager
def _picture(path: Path) -> Iterator[Any]:
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # how many are too many we know
    try:
        with Image.open(path) as stack:
            yield stack
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _pages(stack: Any) -> tuple[int, ...]:
    """Shape of a picture whose pages all hold one plain value for each pixel."""
    if stack.format not in ("PNG", "TIFF"):
        lossy = stack.format in ("JPEG", "MPO", "WEBP", "JPEG2000")
        why = ", which changes values" if lossy else ""
        raise _PictureError(f"it is a {stack.format}{why}; save .npy, .tif or .png")
    count = getattr(stack, "n_frames", 1)
    if stack.format == "PNG" and count > 1:
        raise _PictureError("it is animated; save the pages as .tif or .npy")
    sizes = set()
    for number in range(count):
        stack.seek(number)
        _plain(stack)
        sizes.add((stack.height, stack.width))
    stack.seek(0)
    if len(sizes) > 1:
        raise _PictureError("its pages have different sizes "
                            f"({', '.join(map(str, sorted(sizes)))}); save those of one size")
    _of_imagej(stack, count)
    return ((count,) if count > 1 else ()) + sizes.pop()


def _plain(page: Any) -> None:
    """Refuse what has no one value for each pixel, or one that could mean two things."""
    if page.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        raise _PictureError("it has an alpha channel (transparency); save grey values or labels "
                            "without")
    if page.mode not in ("1", "L", "P", "I", "F") and not page.mode.startswith("I;16"):
        raise _PictureError("it is in colour; save grey values or labels")
    if page.info.get("compression") in _LOSSY:
        raise _PictureError(f"its compression ({page.info['compression']}) changes values; save "
                            "it without loss")
    if page.mode == "L" and _bits(page) < 8:
        raise _PictureError(f"it has {_bits(page)} bits a pixel, which programs read in two ways "
                            "(as stored, or stretched to 255); save 8 bits")


def _bits(page: Any) -> int:
    """Bits of a value as they are stored."""
    if page.format == "TIFF":
        return int(min(page.tag_v2.get(_BITS, (1,))))
    where = page.fp.tell()
    page.fp.seek(24)  # of the header: width and height, then bits
    bits = page.fp.read(1)[0]
    page.fp.seek(where)
    return bits


def _of_imagej(stack: Any, count: int) -> None:
    """Refuse stacks of ImageJ whose pages are not levels alone, or not all there."""
    remark = str(stack.tag_v2.get(_REMARK, "")) if stack.format == "TIFF" else ""
    if not remark.startswith("ImageJ="):
        return
    counts = {key: int(n) for key, n in re.findall(r"(images|channels|frames)=(\d+)", remark)}
    if counts.get("images", count) != count:
        raise _PictureError(f"ImageJ says {counts['images']} pages, {count} are found; save it as "
                            ".npy or with fewer pages (tif ends at 4 GB)")
    for key, word in (("channels", "channels"), ("frames", "times")):
        if counts.get(key, 1) > 1:
            raise _PictureError(f"it holds {counts[key]} {word} of a stack; save one of them")


def _stored(page: Any) -> Any:
    """Values as they are in the file; Pillow turns white-is-zero round and knows no other sign."""
    array = np.asarray(page)
    if page.format != "TIFF":
        return array
    sign = int(np.ravel(page.tag_v2.get(_SIGN, 1))[0])
    if page.mode in ("1", "L") and page.tag_v2.get(_PHOTOMETRIC) == 0:
        array = ~array
    if page.mode == "L" and sign == 2:
        array = array.view(np.int8)
    if page.mode == "I" and sign == 1 and _bits(page) == 32:
        array = array.view(np.uint32)
    return array
