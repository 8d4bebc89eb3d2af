"""Files as the microscopes' own programs write them, made byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

UNITS = {"pixels": "nm", "frames": "s"}
_DM_TYPES = {np.dtype("<u2"): (4, 10), np.dtype("u1"): (10, 6), np.dtype("<f4"): (6, 2)}
"""Code of the type in a tag, and of the same type in an image."""


def write_mrc(path: Path, stack: np.ndarray, scale_nm: float = 2.0) -> None:
    """Write MRC mode 6 (uint16)."""
    n, height, width = stack.shape
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, width, height, n, 6, 0, 0, 0, width, height, n)
    edges = (10 * scale_nm * size for size in (width, height, n))
    struct.pack_into("<3f", header, 40, *edges)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    header[212:216] = bytes([0x44, 0x44, 0, 0])
    path.write_bytes(bytes(header) + stack.astype("<u2").tobytes())


def write_ser(
    path: Path, stack: np.ndarray, scale_nm: float = 2.0, stamps: list[int] | None = None
) -> None:
    """Write a series as TIA does (version 0x210): rows from below, a stamp in whole seconds."""
    n, height, width = stack.shape
    stamps = [1_456_073_345] * n if stamps is None else stamps
    dimension = struct.pack("<IddII6sI", n, 0.0, 1.0, 0, 6, b"Number", 0)
    table = 30 + len(dimension)
    first = table + 8 * n
    step = 50 + height * width * 2
    head = struct.pack("<HHHIIIIII", 0x4949, 0x197, 0x210, 0x4122, 0x4152, n, n, table, 1)
    places = [first + step * i for i in range(n)] + [first + step * n + 8 * i for i in range(n)]
    scale_m = scale_nm * 1e-9
    before = struct.pack("<ddiddiHii", 0, scale_m, 0, 0, scale_m, 0, 2, width, height)
    frames = b"".join(before + picture[::-1].astype("<u2").tobytes() for picture in stack)
    tags = b"".join(struct.pack("<HHI", 0x4152, 0, stamp) for stamp in stamps)
    path.write_bytes(head + dimension + struct.pack(f"<{2 * n}I", *places) + frames + tags)


def write_tvips(
    path: Path, stack: np.ndarray, pixel_nm: int = 2, step_s: float = 0.04, parts: int = 1
) -> None:
    """Write a recording of EM-Menu (version 2), split into parts `_000`, `_001`, ..."""
    n, height, width = stack.shape
    frame_bytes = 60
    numbers = (256, 2, width, height, 16, 0, 0, 1, 1, pixel_nm, 300_000, 0, frame_bytes)
    general = struct.pack("<13I", *numbers).ljust(256, b"T")
    records = []
    for index, picture in enumerate(stack):
        second, rest = divmod(round(1000 * step_s * index) + 250, 1000)
        head = struct.pack("<4If2I", index, 1_600_000_000 + second, rest, 0, 0.0, 0, 1)
        records.append(head.ljust(frame_bytes, b"\0") + picture.astype("<u2").tobytes())
    each = -(-n // parts)
    for part in range(parts):
        body = b"".join(records[part * each : (part + 1) * each])
        name = path.name.replace("_000", f"_{part:03d}")
        path.with_name(name).write_bytes((b"" if part else general) + body)


class _Dm:
    """Tags of a DM file of version 3 or 4, whose lengths have four or eight bytes."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.long = ">i" if version == 3 else ">q"

    def group(self, *tags: bytes) -> bytes:
        return b"\1\0" + struct.pack(self.long, len(tags)) + b"".join(tags)

    def _named(self, kind: int, name: str, body: bytes) -> bytes:
        size = b"" if self.version == 3 else struct.pack(">q", len(body))
        return struct.pack(">BH", kind, len(name)) + name.encode() + size + body

    def branch(self, name: str, *tags: bytes) -> bytes:
        return self._named(20, name, self.group(*tags))

    def leaf(self, name: str, info: list[int], data: bytes) -> bytes:
        codes = struct.pack(f">{len(info)}{self.long[1]}", *info)
        return self._named(21, name, b"%%%%" + struct.pack(self.long, len(info)) + codes + data)

    def number(self, name: str, value: int) -> bytes:
        return self.leaf(name, [5], struct.pack("<I", value))

    def real(self, name: str, value: float) -> bytes:
        return self.leaf(name, [6], struct.pack("<f", value))

    def text(self, name: str, text: str) -> bytes:
        return self.leaf(name, [20, 4, len(text)], text.encode("utf-16-le"))

    def axis(self, scale: float, units: str) -> bytes:
        return self.branch(
            "", self.real("Origin", 0), self.real("Scale", scale), self.text("Units", units)
        )


def write_dm(
    path: Path, stack: np.ndarray, version: int, scale_nm: float = 2.0, step_s: float = 0.04
) -> None:
    """Write a stack as DigitalMicrograph does: x, y and time, with their units."""
    n, height, width = stack.shape
    stack = stack.astype(stack.dtype.newbyteorder("<"))
    in_tag, in_image = _DM_TYPES[stack.dtype]
    dm = _Dm(version)
    axes = (dm.axis(scale_nm, "nm"), dm.axis(scale_nm, "nm"), dm.axis(step_s, "s"))
    data = dm.leaf("Data", [20, in_tag, stack.size], stack.tobytes())
    image = dm.branch(
        "ImageData",
        dm.branch(
            "Calibrations",
            dm.branch(
                "Brightness", dm.real("Origin", 0), dm.real("Scale", 1), dm.text("Units", "")
            ),
            dm.branch("Dimension", *axes),
        ),
        data,
        dm.number("DataType", in_image),
        dm.branch("Dimensions", *(dm.number("", size) for size in (width, height, n))),
        dm.number("PixelDepth", stack.dtype.itemsize),
    )
    root = dm.group(dm.branch("ImageList", dm.branch("", image, dm.branch("ImageTags"))))
    head = struct.pack(">i", version) + struct.pack(dm.long, len(root)) + struct.pack(">i", 1)
    path.write_bytes(head + root + bytes(8))
