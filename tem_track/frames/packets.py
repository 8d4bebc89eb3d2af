"""The list of a video's packets: how many frames there are, in which order, at what times.

One packet is one frame. The list is read from the packets themselves, never from the header or
an index that may lie or be missing. A frame's place is the rank of its time stamp, where the
stamps are those of a regular clock; where a codec reorders frames and they are not, or the
container has none, it is the place in which the decoder puts the frame out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tem_track.errors import MovieError
from tem_track.frames.clock import fit_grid
from tem_track.frames.container import READ_ERRORS, Video
from tem_track.frames.ebml import Block, EbmlMap, map_matroska
from tem_track.frames.mapped import PAGES_HELD, let_go
from tem_track.frames.riff import map_avi
from tem_track.frames.vop import (
    B_VOP,
    EMPTY_BYTES,
    Vop,
    contradicting,
    display_order,
    increment_bits,
    read_vop,
)
from tem_track.records import FloatArray

__all__ = ["DEEPEST_REORDERING", "PacketTable", "ranks", "read_table", "stretches", "trusted_keys"]

_P_FRAME = 1
_STRAY_FRAMES = 4
_ENCODER = re.compile(rb"\x00\x00\x01\xb2(.*?)(\x00\x00\x01|$)", re.DOTALL)
_FEWEST_NAMES = 4
_HEAD_BYTES = 256
"""In the beginning of a packet, of about this length, stand the headers of an MPEG-4 frame."""
DEEPEST_REORDERING = 16
"""As many frames as any codec holds back (H.264)."""


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """The packets of a video in the order of the file.

    Attributes
    ----------
    offset, size : NDArray, shape (packets,)
        Where a packet lies in the file, in bytes; offset -1 for a frame that is lost.
    key : NDArray, shape (packets,)
        Whether the file says that decoding may start here.
    order : NDArray, shape (n,)
        Packet of each frame, in the order of display.
    rank : NDArray, shape (packets,)
        Frame of each packet; -1 for a packet that is decoded but not shown.
    time_s : FloatArray, shape (n,)
        Time of each frame in seconds from the first.
    stamped : bool
        Whether the container gives the order, not only the codec.
    ordered : bool
        False where the order is not known before everything has been decoded once.
    doubtful : frozenset of int
        Packets whose frame has no certain place, because a lost one was nearby.
    prefix : bytes
        What the container leaves out at the beginning of every packet.
    end_note : str
        Why the packets end early; empty where they do not.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    key: NDArray[np.bool_]
    order: NDArray[np.int64]
    rank: NDArray[np.int64]
    time_s: FloatArray
    stamped: bool = True
    ordered: bool = True
    doubtful: frozenset[int] = frozenset()
    prefix: bytes = b""
    end_note: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    offset: int
    size: int
    key: bool
    stamp: int | None
    shown: bool = True


def ranks(order: NDArray[np.int64], packets: int) -> NDArray[np.int64]:
    """Return the frame of each packet; -1 for one that is not shown."""
    rank = np.full(packets, -1, np.int64)
    rank[order] = np.arange(len(order))
    return rank


def trusted_keys(table: PacketTable) -> NDArray[np.int64]:
    """Return the key packets that are shown after everything before them in the file.

    Where most key frames are shown before all that follows, one that is not has a wrong stamp.
    """
    latest_before = np.maximum.accumulate(np.concatenate([[-1], table.rank[:-1]]))
    keys = np.flatnonzero(table.key & (table.rank > latest_before))
    shown_late = table.rank[keys] > _shown_ahead_of(table)[keys]
    return keys if 2 * np.count_nonzero(shown_late) > len(keys) else keys[~shown_late]


def stretches(table: PacketTable, indices: Sequence[int]) -> list[int]:
    """Return how many packets are decoded in a row for some rising frame numbers.

    A new row begins where a key frame makes what lies before it superfluous.
    """
    keys = trusted_keys(table)
    found: list[int] = []
    fed = 0
    for index in indices:
        packet = int(table.order[index])
        place = int(np.searchsorted(keys, packet, side="right"))
        start = next((int(k) for k in keys[:place][::-1] if table.rank[k] <= index), 0)
        if start > fed or not found:
            found.append(0)
            fed = start
        found[-1] += max(packet + 1 - fed, 0)
        fed = max(fed, packet + 1)
    return found


def _shown_ahead_of(table: PacketTable) -> NDArray[np.int64]:
    """Return how many packets before each one in the file are shown."""
    shown = (table.rank >= 0).astype(np.int64)
    return np.asarray(np.cumsum(shown) - shown)


def read_table(video: Video) -> PacketTable:
    """List the packets of a video file without decoding them.

    Raises
    ------
    MovieError
        If there are none, or the container stores them in a way that cannot be followed.
    """
    if video.format == "avi":
        table = _from_avi(video)
    elif "matroska" in video.format:
        table = _from_matroska(video)
    else:
        table = _from_demuxer(video)
    if not len(table.order):
        raise MovieError(f"{video.path.name}: holds no frames; the recording was never finished")
    if video.codec == "mpeg4":
        if table.stamped and table.ordered:
            table = _with_stated_order(video, table)
        elif not table.ordered:
            table = _in_stated_order(video, table)
    return _whole_raw_frames(table) if video.codec == "rawvideo" else table


def _with_stated_order(video: Video, table: PacketTable) -> PacketTable:
    """Return the table with doubt on frames whose time stamps contradict the types of frames.

    Raises
    ------
    MovieError
        If so many do that the order of the others is not known either.
    """
    vops = _vops(video, table)
    types = [_P_FRAME if vop is None else vop.kind for vop in vops]
    whole = display_order(types) or []
    stated = [packet for packet in whole if table.rank[packet] >= 0]
    other = np.flatnonzero(np.array(stated) != table.order)
    if len(other) > _STRAY_FRAMES:
        raise MovieError(
            f"{video.path.name}: its time stamps contradict the order of its frames; remux the file"
        )
    lost = contradicting(vops, whole, _STRAY_FRAMES) | _misnamed(video, table, vops)
    table = _without(table, lost, types)
    return replace(table, doubtful=table.doubtful | frozenset(table.order[other].tolist()))


def _without(
    table: PacketTable, packets: frozenset[int], types: Sequence[int | None]
) -> PacketTable:
    """Return the table with some packets counted as lost, in their places.

    The frame that waits to be shown when one is decoded whose type may be wrong has no certain
    place either.
    """
    if not packets:
        return table
    offset = table.offset.copy()
    offset[list(packets)] = -1
    waiting = {
        max((n for n in range(packet) if types[n] != B_VOP), default=packet) for packet in packets
    }
    return replace(table, offset=offset, doubtful=table.doubtful | waiting)


def _vops(video: Video, table: PacketTable) -> list[Vop | None]:
    """Return what every packet of an MPEG-4 movie states of its frame."""
    places = list(zip(table.offset.tolist(), table.size.tolist(), strict=True))
    bits = increment_bits(video.extradata)
    if bits is None and places and places[0][0] >= 0:
        bits = increment_bits(table.prefix + video.read(*places[0]))
    # Several frames share a packet only where another is an empty one that makes up the count.
    packed = bool(places) and min(size for _, size in places) <= EMPTY_BYTES
    vops: list[Vop | None] = []
    with video.mapped() as data:
        for step, (at, size) in enumerate(places):
            if step % PAGES_HELD == 0:
                let_go(data)
            head = size if packed else min(size, _HEAD_BYTES)
            vop = read_vop(table.prefix + data[at : at + head], size, bits) if at >= 0 else None
            if vop is None and at >= 0 and head < size:
                vop = read_vop(table.prefix + data[at : at + size], size, bits)
            vops.append(vop)
    return vops


def _misnamed(video: Video, table: PacketTable, vops: Sequence[Vop | None]) -> frozenset[int]:
    """Return the one key frame whose encoder has another name than at all others.

    By the name FFmpeg chooses the transform, and keeps to it for all that follows. A key frame
    that does not begin as all others do has lost the name.
    """
    names: dict[int, bytes] = {}
    damaged: set[int] = set()
    for packet, vop in enumerate(vops):
        if vop is not None and vop.kind == 0:
            at, size = int(table.offset[packet]), int(table.size[packet])
            head = table.prefix + video.read(at, min(size, _HEAD_BYTES))
            found = _ENCODER.search(head)
            names[packet] = found[1] if found else b""
            begins = head.lstrip(b"\0").startswith(b"\1")
            damaged |= set() if begins and (found is None or found[2]) else {packet}
    if len(names) < _FEWEST_NAMES:
        return frozenset()
    usual = Counter(names.values()).most_common(1)[0][0]
    others = [packet for packet, name in names.items() if name != usual]
    if len(others) == 1 and (len(names[others[0]]) == len(usual) or others[0] in damaged):
        return frozenset(others)
    return frozenset()


def _from_avi(video: Video) -> PacketTable:
    chart = map_avi(video.path, int(video.stream.index))
    rows = [_Row(c.offset, c.size, c.key, c.tick) for c in chart.chunks]
    note, promised = chart.end_note, int(video.stream.frames)
    if not note and not chart.has_index and promised > len(rows):
        note = f"the file is cut: {len(rows)} of {promised} frames are there"
    return _table(video, rows, float(video.stream.time_base), False, note)


def _in_stated_order(video: Video, table: PacketTable) -> PacketTable:
    """Return the table in the order that MPEG-4's own frame types give, where all tell theirs."""
    vops = _vops(video, table)
    types = [None if vop is None else vop.kind for vop in vops]
    order = display_order(types)
    if order is None:
        return table
    lost = contradicting(vops, order, _STRAY_FRAMES) | _misnamed(video, table, vops)
    table = _without(table, lost, types)
    if table.end_note and (B_VOP in types or len(types) < DEEPEST_REORDERING):
        # The B-frames before the last other frame may lie beyond the cut.
        last = [n for n, kind in enumerate(types) if kind != B_VOP][-1:]
        order = [packet for packet in order if packet not in last]
    order = [packet for packet in order if table.rank[packet] >= 0]
    return _in_order(table, np.array(order, np.int64), types)


def _in_order(table: PacketTable, order: NDArray[np.int64], types: list[int | None]) -> PacketTable:
    return replace(
        table,
        order=order,
        rank=ranks(order, len(types)),
        time_s=table.time_s[: len(order)],
        key=np.array([kind == 0 for kind in types], bool),
        ordered=True,
    )


def _from_matroska(video: Video) -> PacketTable:
    chart = map_matroska(video.path)
    prefix = _left_out(video, chart)
    rows, note = _with_lost(chart, DEEPEST_REORDERING // 2 if video.reorders else 1)
    table = _table(video, rows, chart.tick_s, True, note)
    return replace(table, prefix=prefix)


def _left_out(video: Video, chart: EbmlMap) -> bytes:
    """Return what Matroska's header stripping leaves out at the beginning of every packet."""
    packet = video.first_packet()
    if packet is None or not chart.blocks:
        return b""
    first = bytes(packet)
    stored = video.read(chart.blocks[0].offset, chart.blocks[0].size)
    if first.endswith(stored):
        return first[: len(first) - len(stored)]
    raise MovieError(f"{video.path.name}: its packets are compressed once more; remux the file")


def _with_lost(chart: EbmlMap, reach: int) -> tuple[list[_Row], str]:
    """Return the blocks and the frames that the broken stretches held."""
    rows = [_Row(b.offset, b.size, b.key, b.stamp) for b in chart.blocks]
    cut_here = [len(rows)] if chart.end_note and reach > 1 and rows else []
    if cut_here and len(rows) < DEEPEST_REORDERING:
        return rows[:1], chart.end_note  # too few to tell what was to be shown between them
    gaps = sorted({gap for gap in chart.gaps if gap < len(rows)}) + cut_here
    if not gaps:
        return rows, chart.end_note
    grid = fit_grid(np.array([b.stamp for b in chart.blocks], np.int64))
    if gaps == cut_here and grid is None:
        return _shown_before(rows, len(rows) - reach), chart.end_note
    if grid is None or gaps[0] == 0:
        kept = _shown_before(rows[: gaps[0]], gaps[0] - (reach if reach > 1 else 0))
        return kept, f"the file is damaged after frame {len(kept) - 1}"
    lost: dict[int, list[int]] = {gap: [] for gap in gaps}
    for stamp in {t for gap in gaps for t in grid.missing(*_around(chart.blocks, gap, reach))}:
        lost[min(gaps, key=lambda gap: abs(_middle(chart.blocks, gap) - stamp))].append(stamp)
    for gap in reversed(gaps):
        # Whatever was lost, what follows may rest on it.
        broken = _Row(-1, 0, False, None, shown=False)
        rows[gap:gap] = [*(_Row(-1, 0, False, stamp) for stamp in sorted(lost[gap])), broken]
    return rows, chart.end_note


def _shown_before(rows: list[_Row], end: int) -> list[_Row]:
    """Return the rows up to `end` that are shown before all later ones; the first is kept."""
    end = max(end, 1)
    earliest_dropped = min((r.stamp for r in rows[end:] if r.stamp is not None), default=None)
    if earliest_dropped is None:
        return rows[:end]
    certain = [r for r in rows[1:end] if r.stamp is not None and r.stamp < earliest_dropped]
    return rows[:1] + certain


def _around(blocks: list[Block], gap: int, reach: int) -> tuple[int, int]:
    """Return the earliest stamp shortly before a gap and the latest shortly after it."""
    before = blocks[max(gap - reach, 0) : gap]
    after = blocks[gap : gap + reach] or before
    return min(b.stamp for b in before), max(b.stamp for b in after)


def _middle(blocks: list[Block], gap: int) -> float:
    """Return the time at which a gap lies."""
    return (blocks[gap - 1].stamp + blocks[min(gap, len(blocks) - 1)].stamp) / 2


def _from_demuxer(video: Video) -> PacketTable:
    rows: list[_Row] = []
    note, last_dts = "", None
    try:
        for packet in video.packets():
            if packet.is_corrupt or packet.pos is None:
                note = f"the file is cut inside frame {len(rows)}"
                break
            last_dts = packet.dts
            rows.append(
                _Row(
                    packet.pos,
                    packet.size,
                    packet.is_keyframe,
                    packet.pts if packet.pts is not None else packet.dts,
                    not packet.is_discard,
                )
            )
    except READ_ERRORS as error:
        note = f"reading stops after {len(rows)} frames ({getattr(error, 'strerror', error)})"
    promised = int(video.stream.frames)
    contradiction = promised != len(rows) if not note else video.ends_with_its_table()
    if promised and contradiction:
        raise MovieError(f"{video.path.name}: its tables contradict each other; remux the file")
    if note and video.reorders:
        rows = _of_certain_place(rows, last_dts)
    return _table(video, rows, float(video.stream.time_base), True, note)


def _of_certain_place(rows: list[_Row], last_dts: int | None) -> list[_Row]:
    """Return the packets of a cut file that no lost one can precede in display.

    A frame is never shown before it is decoded, so what follows the cut is shown after the last
    decoding time stamp.
    """
    if last_dts is None:
        return []
    return [replace(r, shown=r.shown and r.stamp is not None and r.stamp <= last_dts) for r in rows]


def _table(
    video: Video, rows: list[_Row], tick_s: float, has_stamps: bool, note: str
) -> PacketTable:
    stamps = np.array([0 if row.stamp is None else row.stamp for row in rows], np.int64)
    if has_stamps and _hides_strays(rows, stamps):
        raise MovieError(
            f"{video.path.name}: its time stamps contradict the order of its frames; remux the file"
        )
    order = np.flatnonzero([row.shown for row in rows])
    ordered = not video.reorders
    if video.reorders and has_stamps and fit_grid(stamps[order]) is not None:
        by_stamp = order[np.argsort(stamps[order], kind="stable")]
        ordered = bool(np.max(np.abs(by_stamp - order)) <= DEEPEST_REORDERING)
        order = by_stamp if ordered else order
    return PacketTable(
        offset=np.array([row.offset for row in rows], np.int64),
        size=np.array([row.size for row in rows], np.int64),
        key=np.array([row.key for row in rows], bool),
        order=order,
        rank=ranks(order, len(rows)),
        time_s=_times_s(stamps[order], tick_s),
        stamped=has_stamps,
        ordered=ordered,
        end_note=note,
    )


def _hides_strays(rows: list[_Row], stamps: NDArray[np.int64]) -> bool:
    """Return whether a frame is left out of the show for a stamp far from its neighbours'."""
    hidden = [n for n, row in enumerate(rows) if not row.shown and row.stamp is not None]
    places = ranks(np.argsort(stamps, kind="stable"), len(rows))
    return any(abs(int(places[n]) - n) > DEEPEST_REORDERING for n in hidden)


def _times_s(stamps: NDArray[np.int64], tick_s: float) -> FloatArray:
    rising = np.sort(stamps)
    return (rising - rising[:1]).astype(np.float64) * tick_s


def _whole_raw_frames(table: PacketTable) -> PacketTable:
    """Count raw frames of another size than the rest as lost."""
    usual = Counter(table.size.tolist()).most_common(1)[0][0]
    return replace(table, offset=np.where(table.size == usual, table.offset, -1))
