"""A decoded picture to its grey values, without changing any of them.

YUV gives its luma plane as it is stored, whatever the range tag says; a palette gives its grey,
and where a file has pixels for a palette but none in it, they are the grey values themselves;
colour gives ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601), which leaves a grey pixel as it is.
"""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.records import Image

__all__ = ["bit_depth", "grey_kind", "grey_of_rgb", "grey_values"]

_LUMA_PREFIXES = ("yuv", "gray", "nv", "y210", "p0", "p2", "p4", "ya")
_PACKED_YUV = {"yuyv422": 0, "yvyu422": 0, "uyvy422": 1}
"""Packed formats, and which byte of a pair is the luma."""
_PACKED_RGB = {
    "rgb24": (3, cv2.COLOR_RGB2GRAY),
    "bgr24": (3, cv2.COLOR_BGR2GRAY),
    "rgba": (4, cv2.COLOR_RGBA2GRAY),
    "rgb0": (4, cv2.COLOR_RGBA2GRAY),
    "bgra": (4, cv2.COLOR_BGRA2GRAY),
    "bgr0": (4, cv2.COLOR_BGRA2GRAY),
}
_ALPHA_FIRST = {
    "argb": cv2.COLOR_RGB2GRAY,
    "0rgb": cv2.COLOR_RGB2GRAY,
    "abgr": cv2.COLOR_BGR2GRAY,
    "0bgr": cv2.COLOR_BGR2GRAY,
}
_WIDE_RGB = {"rgb48le": 3, "rgba64le": 4}


class _PlaneView:
    """Memory of a plane lent to NumPy; it keeps the decoder's picture alive.

    PyAV's buffer of a plane stored bottom-up starts at its last row, so the array is built from
    the address of the first row and the signed line size.
    """

    def __init__(self, plane: Any, shape: tuple[int, ...], dtype: str, pixel_bytes: int) -> None:
        self._plane = plane
        item = np.dtype(dtype).itemsize
        strides = (plane.line_size, pixel_bytes, item)[: len(shape)]
        self.__array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (plane.buffer_ptr, True),
            "strides": strides,
            "version": 3,
        }


def _view(frame: av.VideoFrame, plane: int, dtype: str, channels: int = 0) -> NDArray[Any]:
    item = np.dtype(dtype).itemsize
    shape = (frame.height, frame.width) + ((channels,) if channels else ())
    return np.asarray(_PlaneView(frame.planes[plane], shape, dtype, item * max(channels, 1)))


def grey_of_rgb(rgb: NDArray[Any]) -> Image:
    """Return the grey values of a colour image.

    Parameters
    ----------
    rgb : NDArray, shape (height, width, 3)
        uint8, uint16 or float32.

    Returns
    -------
    Image
        ``0.299 R + 0.587 G + 0.114 B``, rounded, in the depth of `rgb`. Where the three channels
        are equal the grey value is theirs, exactly.
    """
    if np.issubdtype(rgb.dtype, np.floating):
        return np.asarray(rgb @ np.array([0.299, 0.587, 0.114]), np.float32)
    grey: Image = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    return grey


def _packed_rgb(frame: av.VideoFrame) -> Image:
    name = frame.format.name
    if name in _ALPHA_FIRST:
        return _grey(_view(frame, 0, "u1", 4)[..., 1:], _ALPHA_FIRST[name])
    channels, conversion = _PACKED_RGB[name]
    return _grey(_view(frame, 0, "u1", channels), conversion)


def _grey(pixels: NDArray[Any], conversion: int) -> Image:
    grey: Image = cv2.cvtColor(np.ascontiguousarray(pixels), conversion)
    return grey


def _planar_rgb(frame: av.VideoFrame) -> Image:
    dtype = "u1" if frame.format.components[0].bits <= 8 else "<u2"
    green, blue, red = (_view(frame, plane, dtype) for plane in range(3))
    return grey_of_rgb(np.stack([red, green, blue], axis=-1))


def _rgb555(frame: av.VideoFrame) -> Image:
    packed = _view(frame, 0, "<u2")
    five = np.stack([(packed >> shift) & 31 for shift in (10, 5, 0)], axis=-1).astype(np.uint8)
    return grey_of_rgb((five << 3) | (five >> 2))


def _palette(frame: av.VideoFrame) -> Image:
    memory = np.frombuffer(memoryview(frame.planes[1]), np.uint8).reshape(-1, 4)[:256]
    lookup = grey_of_rgb(memory[np.newaxis, :, 2::-1])[0]
    indices = _view(frame, 0, "u1")
    if np.array_equal(lookup, np.arange(256)) or lookup.min() == lookup.max():
        return indices  # where a file holds no palette, the decoder's is black all over
    return np.asarray(lookup[indices])


def _luma(frame: av.VideoFrame) -> Image:
    name, component = frame.format.name, frame.format.components[0]
    if name.startswith("grayf32"):
        return _native(_view(frame, 0, ">f4" if name.endswith("be") else "<f4"))
    if name.startswith("ya8"):
        return _view(frame, 0, "u1", 2)[..., 0]
    if name.startswith("ya16"):
        return _native(_view(frame, 0, ">u2" if name.endswith("be") else "<u2", 2)[..., 0])
    if component.bits <= 8:
        return _view(frame, 0, "u1")
    values = _native(_view(frame, 0, ">u2" if name.endswith("be") else "<u2"))
    return values >> (16 - component.bits) if name.startswith("p0") else values


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _by_swscale(frame: av.VideoFrame) -> Image:
    wide = max(component.bits for component in frame.format.components) > 8
    rgb = frame.reformat(format="rgb48le" if wide else "rgb24")
    return grey_values(rgb)


def grey_values(frame: av.VideoFrame) -> Image:
    """Return the grey values of a decoded picture, shape (height, width).

    The array may be a read-only view of the decoder's own memory, which it keeps alive.
    """
    name = frame.format.name
    if name == "pal8":
        image = _palette(frame)
    elif name in _PACKED_YUV:
        image = _view(frame, 0, "u1", 2)[..., _PACKED_YUV[name]]
    elif name in _PACKED_RGB or name in _ALPHA_FIRST:
        image = _packed_rgb(frame)
    elif name in _WIDE_RGB:
        image = grey_of_rgb(_view(frame, 0, "<u2", _WIDE_RGB[name])[..., :3])
    elif name.startswith("gbr") and not name.endswith("be") and "f" not in name:
        image = _planar_rgb(frame)
    elif name == "rgb555le":
        image = _rgb555(frame)
    elif name.startswith(_LUMA_PREFIXES):
        image = _luma(frame)
    else:
        image = _by_swscale(frame)
    return image


def grey_kind(pixel_format: str) -> str:
    """Return in words where the grey values of a pixel format come from."""
    if pixel_format == "pal8":
        return "palette"
    if pixel_format.startswith("gray"):
        return "grey as stored"
    if pixel_format in _PACKED_YUV or pixel_format.startswith(_LUMA_PREFIXES):
        return "luma as stored"
    return "0.299 R + 0.587 G + 0.114 B"


def bit_depth(pixel_format: str) -> int:
    """Return the bits of a grey value in a pixel format."""
    if pixel_format == "pal8":
        return 8
    return max(8, *(component.bits for component in av.VideoFormat(pixel_format).components))
