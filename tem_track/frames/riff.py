"""The frames of an AVI file, found by walking its chunks.

The header's count, the sizes of the enclosing lists and the index may all be wrong or missing,
so none of them is asked: chunk follows chunk, and the video's own are counted. Where the chain
is broken the walk goes on at the next sound chunk; how many frames the broken stretch held is
then taken from the index, if that agrees with all that was found, or from the equal size of raw
frames. Where neither tells, the movie ends there, because what follows has no certain number.

Formats: Microsoft, "AVI RIFF File Reference"; OpenDML AVI File Format Extensions 1.02 (1996).
"""

from __future__ import annotations

import mmap
import re
import struct
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path

from tem_track.errors import MovieError
from tem_track.frames.mapped import PAGES_HELD, let_go

__all__ = ["Chunk", "RiffMap", "map_avi", "stated_size"]

_NAME = re.compile(rb"[A-Za-z0-9 _]{4}")
_FRAME_NAME = re.compile(rb"[0-9]{2}[a-z][a-z0-9]")
_INDEX_NAME = re.compile(rb"[0-9]{2}[A-Za-z][A-Za-z0-9]|rec |LIST|JUNK|ix[0-9]{2}")
_SOUND = re.compile(rb"[0-9]{2}(?:dc|db|wb|tx|pc|iv)|ix[0-9]{2}|JUNK|LIST|RIFF|idx1|JUNQ")
_LISTS = {b"RIFF", b"LIST"}
_OTHER = {b"JUNK", b"JUNQ", b"junk", b"idx1", b"INFO", b"IDIT", b"Idit"}
_NOT_VIDEO = {b"wb", b"tx", b"pc", b"ix", b"sb"}
_KEY_FRAME = 0x10
_HEADER_BYTES = 4096
_NOT_KEY = 0x8000_0000
_LARGEST_PALETTE_CHANGE = 4 + 256 * 4
"""Flag of a key frame in `idx1`; bytes in which the headers stand; the bit of an OpenDML index by
which a frame is no key frame; bytes of a change of all 256 colours."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One frame's place in the file, in bytes; offset -1 where it is lost."""

    offset: int
    size: int
    key: bool
    tick: int


@dataclass(slots=True)
class RiffMap:
    """The frames of one stream in the order of the file.

    Attributes
    ----------
    chunks : list of Chunk
        Empty chunks, by which a camera says that it has dropped a frame, take a tick of time
        but are no frames.
    end_note : str
        Why the movie ends early; empty where it does not.
    has_index : bool
        Whether the file has reached its index, which is written last.
    """

    chunks: list[Chunk] = field(default_factory=list)
    end_note: str = ""
    has_index: bool = False


@dataclass(slots=True)
class _Found:
    """What the walk meets: the stream's chunks and the stretches that cannot be read."""

    stream: bytes
    pieces: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0
    movi: int = -1
    indices: list[int] = field(default_factory=list)
    cut: bool = False
    new_palette: bool = False


def map_avi(path: Path, stream: int) -> RiffMap:
    """Return the frames of stream number `stream` of an AVI file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _walk(data, f"{stream:02d}".encode())
        if found.new_palette:
            raise MovieError(
                f"{path.name}: changes its palette on the way; save it as a TIFF stack"
            )
        index = _index(data, found)
        found.pieces = _with_swallowed(data, found, index)
        chart = _assemble(found, index)
        chart.has_index = bool(found.indices)
        return chart


def _with_swallowed(
    data: mmap.mmap, found: _Found, index: dict[int, tuple[int, bool]]
) -> list[tuple[int, int]]:
    """Return the pieces, those taken apart whose wrong size made one chunk of several.

    Only where the index does not confirm a size is a chunk searched for chunks of the stream
    that end where it ends.
    """
    usual = Counter(size for _, size in found.pieces).most_common(1)[:1]
    equal = {size for size, times in usual if 2 * times > len(found.pieces)}
    pieces: list[tuple[int, int]] = []
    for at, size in found.pieces:
        sound = size in equal or index.get(at, (-1, False))[0] == size
        inner = [] if sound else _inner(data, found.stream, at, size)
        pieces.append((at, inner[0][0] - 8 - at if inner else size))
        pieces += inner
    return pieces


def _inner(data: mmap.mmap, stream: bytes, at: int, size: int) -> list[tuple[int, int]]:
    """Return the chunks inside a chunk that follow one another up to its end."""
    end = min(at + size, len(data))
    place = data.find(stream, at, end)
    while place >= 0:
        chain: list[tuple[int, int]] = []
        here = place
        while here + 8 <= end and data[here : here + 2] == stream and _is_frame(data, here):
            length = _u32(data, here + 4)
            chain.append((here + 8, length))
            here += 8 + length + (length & 1)
        if chain and here in (end, end + (size & 1)):
            return chain
        place = data.find(stream, place + 1, end)
    return []


def _is_frame(data: mmap.mmap, place: int) -> bool:
    name = data[place : place + 4]
    return _FRAME_NAME.fullmatch(name) is not None and name[2:] not in _NOT_VIDEO


def stated_size(path: Path) -> tuple[int, int] | None:
    """Return width and height by the main header of an AVI file; None where it states none."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    at = head.find(b"avih")
    if at < 0 or at + 8 + 40 > len(head):
        return None
    width, height = struct.unpack_from("<2I", head, at + 8 + 32)
    return (width, height) if width and height else None


def _u32(data: mmap.mmap, position: int) -> int:
    return int(struct.unpack_from("<I", data, position)[0])


def _walk(data: mmap.mmap, stream: bytes) -> _Found:
    found = _Found(stream)
    position, end, riffs = 0, len(data), 0
    found.end = end
    for step in count():
        if position + 8 > end:
            break
        if step % PAGES_HELD == 0:
            let_go(data)
        name, size = data[position : position + 4], _u32(data, position + 4)
        if name in _LISTS:
            riffs += name == b"RIFF"
            if data[position + 8 : position + 12] == b"movi" and found.movi < 0:
                found.movi = position + 8
                if riffs <= 1:
                    found.pieces.clear()  # what looks like a frame in a damaged header is none
            position += 12
            continue
        after = _after(data, position, size)
        if after is not None and _belongs(found, name, size):
            if name in (b"idx1", b"ix" + stream):
                found.indices.append(position)
            found.new_palette |= name == stream + b"pc"
            if name[:2] == stream and name[2:] not in _NOT_VIDEO:
                found.pieces.append((position + 8, size))
            position = after
            continue
        position = _past_damage(data, found, position)
    return found


def _after(data: mmap.mmap, position: int, size: int) -> int | None:
    """Return where the next chunk begins; None where none can begin after this one."""
    end = len(data)
    padded = position + 8 + size + (size & 1)
    for place in dict.fromkeys((padded, position + 8 + size)):
        if end - 8 < place <= end + 1 or (place < end and _is_name(data, place)):
            return min(place, end)
    return None


def _is_name(data: mmap.mmap, place: int) -> bool:
    name = data[place : place + 4]
    return _NAME.fullmatch(name) is not None or not name.strip(b"\0")


def _belongs(found: _Found, name: bytes, size: int) -> bool:
    """Return whether a chunk of this name may stand here."""
    if found.movi < 0:
        return _NAME.fullmatch(name) is not None
    if name in _OTHER or (name[:2] == b"ix" and name[2:].isdigit()):
        return True
    if _FRAME_NAME.fullmatch(name) is None:
        return False
    if name[2:] == b"pc":
        return size <= _LARGEST_PALETTE_CHANGE
    return (name[:2] == found.stream) == (name[2:] not in _NOT_VIDEO)


def _past_damage(data: mmap.mmap, found: _Found, position: int) -> int:
    """Note a stretch that cannot be read and return where the chain goes on."""
    end = len(data)
    for match in _SOUND.finditer(data, position + 1):
        place = match.start()
        if place + 8 > end:
            break
        if match.group() in _LISTS or _after(data, place, _u32(data, place + 4)) is not None:
            found.gaps.append((position, place))
            return place
    if found.movi >= 0 and data[position:end].strip(b"\0"):
        found.gaps.append((position, end))
    found.cut = True
    return end


def _index(data: mmap.mmap, found: _Found) -> dict[int, tuple[int, bool]]:
    """Return size and key flag by place, of all entries of the file's indices for the stream."""
    entries: dict[int, tuple[int, bool]] = {}
    for place in found.indices:
        if data[place : place + 4] == b"idx1":
            entries |= _old_index(data, place, found)
        elif place + 32 <= len(data):
            entries |= _opendml_index(data, place)
    return entries


def _old_index(data: mmap.mmap, place: int, found: _Found) -> dict[int, tuple[int, bool]]:
    size = min(_u32(data, place + 4), len(data) - place - 8)
    block = data[place + 8 : place + 8 + size // 16 * 16]
    names = {bytes(block[at : at + 4]) for at in range(0, len(block), 16)}
    if any(_INDEX_NAME.fullmatch(name) is None for name in names):
        return {}  # a damaged index may lack the very frames that are asked for
    rows = [
        (offset, length, bool(flags & _KEY_FRAME))
        for name, flags, offset, length in struct.iter_unpack("<4sIII", block)
        if name[:2] == found.stream and name[2:] not in _NOT_VIDEO
    ]
    known = set(found.pieces)
    agreeing: dict[int, int] = {}
    for base in _bases(found, rows):
        agreeing[base] = sum((base + offset + 8, length) in known for offset, length, _ in rows)
        if agreeing[base] == len(rows) and base in (0, found.movi):
            break  # none can agree better, and these two are what files count from
    best = max(agreeing, key=lambda base: agreeing[base])
    guesses = [base for base in agreeing if agreeing[base] == agreeing[best]]
    if len(guesses) > 1 and best not in (0, found.movi):
        return {}
    return {best + offset + 8: (length, key) for offset, length, key in rows}


def _bases(found: _Found, rows: list[tuple[int, int, bool]]) -> list[int]:
    """Return where the index may count from: the file, its list of frames, or a found frame."""
    bases = [0, found.movi]
    if found.pieces:
        at, size = found.pieces[0]
        bases += [at - 8 - offset for offset, length, _ in rows[:64] if length == size]
    return list(dict.fromkeys(bases))


def _opendml_index(data: mmap.mmap, place: int) -> dict[int, tuple[int, bool]]:
    longs, kind, count = struct.unpack_from("<HxBI", data, place + 8)
    (base,) = struct.unpack_from("<Q", data, place + 20)
    if longs != 2 or kind != 1 or place + 32 + 8 * count > len(data):
        return {}
    block = data[place + 32 : place + 32 + 8 * count]
    return {
        base + offset: (length & ~_NOT_KEY, not length & _NOT_KEY)
        for offset, length in struct.iter_unpack("<II", block)
    }


def _assemble(found: _Found, index: dict[int, tuple[int, bool]]) -> RiffMap:
    """Put the chunks and the lost ones in order; stop where their number is not known."""
    trusted = bool(index) and all(
        index.get(at, (-1, False))[0] == size for at, size in found.pieces
    )
    vanished = {} if trusted else _vanished(found, index)
    if trusted:
        hidden = set(index) - {at for at, _ in found.pieces}
        places = [at for at in sorted(hidden) if not _in_gap(found, at)]
        found.pieces += [(at, index[at][0]) for at in places if at + index[at][0] <= found.end]
    events = sorted([(at, size, -1) for at, size in found.pieces] + _gap_events(found))
    chart = RiffMap()
    tick = 0
    for at, size, gap_end in events:
        if gap_end < 0:
            lost_here = vanished.get(at, 0)
            chart.chunks += [Chunk(-1, 1, False, tick + n) for n in range(lost_here)]
            tick += lost_here
            if size:
                key = index.get(at, (0, False))[1]
                chart.chunks.append(Chunk(at, size, key, tick))
            tick += 1
            continue
        following = next((piece for piece, _ in found.pieces if piece >= gap_end), -1)
        lost = _lost(found, index if trusted else {}, at, gap_end, tick)
        if following in vanished:
            lost = []
        if lost is None:
            chart.end_note = (
                f"the file is {'cut' if found.cut and gap_end == events[-1][2] else 'damaged'} "
                f"at byte {at}, inside frame {len(chart.chunks)}"
            )
            break
        chart.chunks += [chunk for chunk in lost if chunk.size]
        tick += len(lost)
    return chart


def _in_gap(found: _Found, place: int) -> bool:
    return any(start <= place - 8 < end for start, _, end in _gap_events(found))


def _gap_events(found: _Found) -> list[tuple[int, int, int]]:
    return [(at, 0, end) for at, end in found.gaps if found.movi < 0 or end > found.movi]


def _vanished(found: _Found, index: dict[int, tuple[int, bool]]) -> dict[int, int]:
    """Return how many frames are missing before the chunk that follows a cut-out stretch.

    Bytes that were cut out or put in move everything behind them by the same distance: up to
    there the index agrees in place, from there on it is off by that distance.
    """
    pieces, entries = found.pieces, sorted((at, size) for at, (size, _) in index.items())
    extra = len(entries) - len(pieces)
    if extra <= 0 or not pieces:
        return {}
    pairs = zip(pieces, entries, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    if same == len(pieces) or any(end > pieces[same][0] for _, _, end in _gap_events(found)):
        return {}
    pairs = zip(pieces[same:], entries[same + extra :], strict=True)
    moved_by = {(entry[0] - piece[0], entry[1] - piece[1]) for piece, entry in pairs}
    if len(moved_by) == 1 and moved_by.pop()[1] == 0:
        return {pieces[same][0]: extra}
    return {}


def _lost(
    found: _Found, index: dict[int, tuple[int, bool]], start: int, end: int, tick: int
) -> list[Chunk] | None:
    """Return the frames of a broken stretch; None where nothing tells how many it held.

    An index that agrees with everything else also says where they are, so that a frame is read
    whose chunk header alone is broken.
    """
    if index:
        places = sorted(at for at in index if start <= at - 8 < end)
        return [Chunk(at, *index[at], tick + n) for n, at in enumerate(places)]
    sizes = {size for _, size in found.pieces}
    if len(sizes) == 1:
        step = (size := sizes.pop()) + 8 + (size & 1)
        whole, rest = divmod(end - start, step)
        return None if rest else [Chunk(-1, 1, False, tick + n) for n in range(whole)]
    return None
