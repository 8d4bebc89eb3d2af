"""Movies of every format, with the number of each frame drawn into it.

The number stands in the top rows as blocks of 8 x 8 px, ten bits, and below it once more with
black and white exchanged, so that a picture that is damaged is not read as another number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import tifffile
from PIL import Image

from tests.frames.em_files import write_dm, write_mrc, write_ser, write_tvips

HEIGHT, WIDTH, BITS, BLOCK = 48, 96, 10, 8
DARK, BRIGHT = 40, 210
N = 30


def draw(index: int) -> np.ndarray:
    """Return the picture of frame `index`, uint8."""
    image = np.full((HEIGHT, WIDTH), 120, np.uint8)
    for bit in range(BITS):
        on = index >> bit & 1
        columns = slice(BLOCK * bit, BLOCK * (bit + 1))
        image[0:BLOCK, columns] = BRIGHT if on else DARK
        image[BLOCK : 2 * BLOCK, columns] = DARK if on else BRIGHT
    image[24:, :] += np.random.default_rng(index).integers(0, 60, (24, WIDTH), dtype=np.uint8)
    return image


def number(image: np.ndarray) -> int | None:
    """Return the number drawn into a picture; None where it cannot be read."""
    lowest, highest = float(image.min()), float(image.max())
    middle, contrast = (lowest + highest) / 2, highest - lowest
    value = 0
    for bit in range(BITS):
        columns = slice(BLOCK * bit + 2, BLOCK * (bit + 1) - 2)
        upper = float(image[2 : BLOCK - 2, columns].mean())
        lower = float(image[BLOCK + 2 : 2 * BLOCK - 2, columns].mean())
        if (upper > middle) == (lower > middle) or abs(upper - lower) < 0.3 * contrast:
            return None
        value |= int(upper > middle) << bit
    return value


def encode(
    path: Path,
    codec: str,
    pixels: str,
    n: int = N,
    *,
    tag: str | None = None,
    rate: int = 25,
    first: int = 0,
    **options: str,
) -> None:
    """Write a video with PyAV."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if tag:
            stream.codec_context.codec_tag = tag
        for index in range(n):
            if pixels == "gray16le":
                wide = draw(first + index).astype(np.uint16) * 257
                frame = av.VideoFrame.from_ndarray(wide, format="gray16le")
            else:
                frame = av.VideoFrame.from_ndarray(draw(first + index), format="gray")
                frame = frame.reformat(format=pixels)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _list(kind: bytes, body: bytes) -> bytes:
    return _chunk(b"LIST", kind + body)


def bitmap_avi(
    path: Path, pictures: list[np.ndarray], palette: np.ndarray, *, bits: int = 8
) -> None:
    """Write an uncompressed AVI as ImageJ does: a palette, rows from the bottom, padded to 4."""
    height, width = pictures[0].shape
    row = (width * bits // 8 + 3) // 4 * 4
    colours = b"".join(struct.pack("<BBBB", int(b), int(g), int(r), 0) for r, g, b in palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, row * height, 0, 0, 256, 0)
    n = len(pictures)
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        b"vids",
        b"DIB ",
        0,
        0,
        0,
        0,
        1,
        7,
        0,
        n,
        row * height,
        0,
        0,
        0,
        0,
        width,
        height,
    )
    main = struct.pack("<14I", 142857, 0, 0, 0x10, n, 0, 1, row * height, width, height, 0, 0, 0, 0)
    header = _list(
        b"hdrl",
        _chunk(b"avih", main)
        + _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", info + colours)),
    )
    frames, index, place = b"", b"", 4
    for picture in pictures:
        padded = np.zeros((height, row), np.uint8)
        stored = picture.astype("<u2").view(np.uint8) if bits == 16 else picture
        padded[:, : stored.shape[1]] = stored
        chunk = _chunk(b"00db", padded[::-1].tobytes())
        index += struct.pack("<4sIII", b"00db", 0x10, place, row * height)
        frames += chunk
        place += len(chunk)
    body = header + _list(b"movi", frames) + _chunk(b"idx1", index)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"AVI " + body)


GREYS = np.repeat(np.arange(256)[:, None], 3, axis=1)


def _imagej_avi(path: Path) -> None:
    bitmap_avi(path, [draw(i) for i in range(N)], GREYS)


def _inverted_palette_avi(path: Path) -> None:
    bitmap_avi(path, [255 - draw(i) for i in range(N)], GREYS[::-1])


def _stack(dtype: type, factor: float) -> np.ndarray:
    return np.stack([(draw(i) * np.float64(factor)).astype(dtype) for i in range(N)])


def _hyperstack(path: Path) -> None:
    tifffile.imwrite(
        path,
        _stack(np.uint16, 257),
        imagej=True,
        resolution=(0.5, 0.5),
        metadata={"axes": "TYX", "finterval": 0.2, "unit": "nm"},
    )


def _pages(path: Path, **options: Any) -> None:
    with tifffile.TiffWriter(path, **options) as writer:
        for index in range(N):
            writer.write(draw(index), contiguous=False, metadata=None)


def _lzw(path: Path) -> None:
    first, *rest = [Image.fromarray(draw(i)) for i in range(N)]
    first.save(path, save_all=True, append_images=rest, compression="tiff_lzw")


def _ome(path: Path) -> None:
    tags = {f"PhysicalSize{axis}": 2.0 for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "nm" for axis in "XY"}
    clock = {"TimeIncrement": 200.0, "TimeIncrementUnit": "ms"}
    tifffile.imwrite(path, _stack(np.uint8, 1), metadata={"axes": "TYX", **tags, **units, **clock})


def _folder(path: Path, suffix: str) -> None:
    path.mkdir()
    for index in range(N):
        file = path / f"frame {index}{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(file, draw(index))
        else:
            Image.fromarray(draw(index)).save(file)


def _wide_folder(path: Path) -> None:
    path.mkdir()
    for index in range(N):
        Image.fromarray(draw(index).astype(np.uint16) * 257).save(path / f"{index}.png")


def _animation(path: Path) -> None:
    first, *rest = [Image.fromarray(draw(i)) for i in range(N)]
    first.save(path, save_all=True, append_images=rest, duration=40, default_image=False)


def _packed_xvid(path: Path) -> None:
    """Write what old DivX and XviD made: a B-frame in the packet before, an empty one for it."""
    plain = path.with_stem("plain")
    encode(plain, "mpeg4", "yuv420p", bf="1", g="9", tag="XVID")
    with av.open(str(plain)) as container:
        stored = [(bytes(p), p.is_keyframe) for p in container.demux(video=0) if p.size]
    plain.unlink()
    start, b_frame = b"\0\0\1\xb6", 2
    kinds = [data[data.find(start) + 4] >> 6 for data, _ in stored]
    said, packed = b"\0\0\1\xb2DivX503b1393p", []
    for (data, key), kind in zip(stored, kinds, strict=True):
        if kind == b_frame:
            packed[-1] = (packed[-1][0] + data, packed[-1][1])
            packed.append((start + b"\x51\x03\x0f", False))
            continue
        own, of_layer = data.find(start), data.find(said[:4])
        if key and 0 <= of_layer < own:
            data = data[:of_layer] + said + data[data.find(b"\0\0\1", of_layer + 4) :]
        packed.append((data, key))
    _write_avi(path, packed, b"XVID")


def _write_avi(path: Path, packets: list[tuple[bytes, bool]], code: bytes) -> None:
    """Write packets as they are into an AVI file of 25 frames/s."""
    n = len(packets)
    info = struct.pack(
        "<IiiHH4sIiiII", 40, WIDTH, HEIGHT, 1, 24, code, WIDTH * HEIGHT * 3, 0, 0, 0, 0
    )
    numbers = (0, 0, 0, 0, 1, 25, 0, n, 0, 0, 0, 0, 0, WIDTH, HEIGHT)
    stream = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", code, *numbers)
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, n, 0, 1, 0, WIDTH, HEIGHT, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", info))
    frames, index, place = b"", b"", 4
    for data, key in packets:
        chunk = _chunk(b"00dc", data)
        index += struct.pack("<4sIII", b"00dc", 0x10 if key else 0, place, len(data))
        frames += chunk
        place += len(chunk)
    head = _list(b"hdrl", _chunk(b"avih", main) + streams)
    body = head + _list(b"movi", frames) + _chunk(b"idx1", index)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"AVI " + body)


def _video(codec: str, pixels: str, **options: Any) -> Callable[[Path], None]:
    return lambda path: encode(path, codec, pixels, **options)


# name: file name, writer, factor from the drawn grey values where they are kept exactly
FORMATS: dict[str, tuple[str, Callable[[Path], None], float | None]] = {
    "mjpeg avi": ("m.avi", _video("mjpeg", "yuvj420p", qmin="2", qmax="2"), None),
    "mjpeg mkv": ("m.mkv", _video("mjpeg", "yuvj422p"), None),
    "mjpeg mov": ("m.mov", _video("mjpeg", "yuvj420p"), None),
    "ffv1 avi": ("f.avi", _video("ffv1", "gray"), 1),
    "ffv1 mkv": ("f.mkv", _video("ffv1", "gray", level="3", slicecrc="1"), 1),
    "ffv1 16 bit mkv": ("f16.mkv", _video("ffv1", "gray16le"), 257),
    "raw grey avi": ("r.avi", _video("rawvideo", "gray"), 1),
    "raw grey mkv": ("r.mkv", _video("rawvideo", "gray"), 1),
    "raw grey mov": ("r.mov", _video("rawvideo", "gray"), 1),
    "raw 24 bit avi": ("rgb.avi", _video("rawvideo", "bgr24"), 1),
    "palette avi": ("ij.avi", _imagej_avi, 1),
    "inverted palette avi": ("inv.avi", _inverted_palette_avi, 1),
    "mpeg4 avi": ("p.avi", _video("mpeg4", "yuv420p", bf="2", g="9"), None),
    "xvid avi": ("x.avi", _video("mpeg4", "yuv420p", tag="XVID", g="9"), None),
    "mpeg4 mp4": ("p.mp4", _video("mpeg4", "yuv420p", bf="2", g="9"), None),
    "mpeg4 mkv": ("p.mkv", _video("mpeg4", "yuv420p", bf="2", g="9"), None),
    "h264 mp4": ("h.mp4", _video("libx264", "yuv420p", bf="3", g="9"), None),
    "h264 slices mp4": (
        "hs.mp4",
        _video("libx264", "yuv420p", bf="3", g="9", slices="3"),
        None,
    ),
    "h264 slices mkv": (
        "hs.mkv",
        _video("libx264", "yuv420p", bf="3", g="9", slices="3"),
        None,
    ),
    "h264 mov": ("h.mov", _video("libx264", "yuv420p", bf="3", g="9"), None),
    "h264 mkv": ("h.mkv", _video("libx264", "yuv420p", bf="3", g="9"), None),
    "h264 avi": ("h.avi", _video("libx264", "yuv420p", bf="3", g="9"), None),
    "h264 lossless mp4": ("l.mp4", _video("libx264", "gray", qp="0", g="9"), 1),
    "huffyuv avi": ("y.avi", _video("huffyuv", "yuv422p"), None),
    "ffvhuff avi": ("v.avi", _video("ffvhuff", "yuv444p"), None),
    "utvideo avi": ("u.avi", _video("utvideo", "yuv422p"), None),
    "cinepak avi": ("c.avi", _video("cinepak", "rgb24"), None),
    "cinepak mov": ("c.mov", _video("cinepak", "rgb24"), None),
    "packed xvid avi": ("px.avi", _packed_xvid, None),
    "png avi": ("png.avi", _video("png", "rgb24"), 1),
    "png mov": ("png.mov", _video("png", "gray"), 1),
    "tiff mov": ("tiff.mov", _video("tiff", "gray"), 1),
    "h264 10 bit mkv": ("h10.mkv", _video("libx264", "yuv420p10le", bf="3", g="9"), None),
    "vp9 mkv": ("vp9.mkv", _video("libvpx-vp9", "yuv420p", **{"cpu-used": "8"}), None),
    "ms video 1 avi": ("s.avi", _video("msvideo1", "rgb555le"), None),
    "tiff 8": ("t8.tif", lambda p: tifffile.imwrite(p, _stack(np.uint8, 1)), 1),
    "tiff 16": ("t16.tif", lambda p: tifffile.imwrite(p, _stack(np.uint16, 257)), 257),
    "tiff 32": ("t32.tif", lambda p: tifffile.imwrite(p, _stack(np.float32, 0.5)), 0.5),
    "tiff big-endian": (
        "be.tif",
        lambda p: tifffile.imwrite(p, _stack(np.uint16, 257), byteorder=">"),
        257,
    ),
    "tiff hyperstack": ("ij.tif", _hyperstack, 257),
    "tiff pages": ("pages.tif", _pages, 1),
    "bigtiff": ("big.tif", lambda p: _pages(p, bigtiff=True), 1),
    "tiff deflate": (
        "z.tif",
        lambda p: tifffile.imwrite(p, _stack(np.uint8, 1), compression="zlib"),
        1,
    ),
    "tiff lzw": ("lzw.tif", _lzw, 1),
    "tiff white is zero": (
        "w.tif",
        lambda p: tifffile.imwrite(p, 65535 - _stack(np.uint16, 257), photometric="miniswhite"),
        257,
    ),
    "ome tiff": ("o.ome.tif", _ome, 1),
    "folder png": ("folder png", lambda p: _folder(p, ".png"), 1),
    "folder tif": ("folder tif", lambda p: _folder(p, ".tif"), 1),
    "folder bmp": ("folder bmp", lambda p: _folder(p, ".bmp"), 1),
    "folder png 16": ("folder16", _wide_folder, 257),
    "gif": ("a.gif", _animation, 1),
    "apng": ("a.png", _animation, 1),
    "mrc": ("a.mrc", lambda p: write_mrc(p, _stack(np.uint16, 257)), 257),
    "dm3": ("a.dm3", lambda p: write_dm(p, _stack(np.uint16, 257), 3), 257),
    "dm4": ("a.dm4", lambda p: write_dm(p, _stack(np.uint8, 1), 4), 1),
    "ser": ("a.ser", lambda p: write_ser(p, _stack(np.uint16, 257)), 257),
    "tvips": ("a_000.tvips", lambda p: write_tvips(p, _stack(np.uint16, 257)), 257),
    "tvips in parts": (
        "b_000.tvips",
        lambda p: write_tvips(p, _stack(np.uint16, 257), parts=3),
        257,
    ),
}

EM = {"mrc", "dm3", "dm4", "ser", "tvips", "tvips in parts"}
"""What needs the extra `em`."""
