"""The list of a video's packets: how many frames there are, in which order, at what times.

One packet is one frame. The list is read from the packets themselves, never from the header or
an index that may lie or be missing. A frame's place is the rank of its time stamp; where a
container stores no presentation times for a codec that reorders, it is the place in which the
decoder puts it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tem_track.frames.container import Video
from tem_track.records import FloatArray

__all__ = ["PacketTable", "scan"]

_NONE = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """What a pass over the packets, without decoding, has found.

    Attributes
    ----------
    order : NDArray, shape (n,)
        Packet of each frame, in the order of display.
    rank : NDArray, shape (packets,)
        Frame of each packet; -1 for a packet that is decoded but not shown.
    stamp, position : NDArray, shape (packets,)
        Time stamp to seek by, and place in the file in bytes.
    key : NDArray, shape (packets,)
        Whether decoding may start here.
    time_s : FloatArray, shape (n,)
        Time of each frame in seconds from the first.
    ordered : bool
        False where the order is not known before everything has been decoded once.
    end_note : str
        Why the packets end early; empty where they do not.
    """

    order: NDArray[np.int64]
    rank: NDArray[np.int64]
    stamp: NDArray[np.int64]
    position: NDArray[np.int64]
    key: NDArray[np.bool_]
    time_s: FloatArray
    ordered: bool = True
    end_note: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    pts: int
    dts: int
    position: int
    key: bool
    shown: bool
    palette: bool

    @classmethod
    def of(cls, packet: Any) -> _Row:
        return cls(
            _NONE if packet.pts is None else packet.pts,
            _NONE if packet.dts is None else packet.dts,
            _NONE if packet.pos is None else packet.pos,
            packet.is_keyframe,
            not packet.is_discard,
            packet.has_sidedata("palette"),
        )


def _rows(video: Video) -> tuple[list[_Row], str]:
    rows: list[_Row] = []
    try:
        for packet in video.packets():
            if packet.is_corrupt:
                return rows, f"the file is cut inside frame {len(rows)}"
            rows.append(_Row.of(packet))
    except (av.error.FFmpegError, OSError) as error:
        return rows, f"reading stops after {len(rows)} frames ({error.strerror})"
    return rows, ""


def scan(video: Video) -> PacketTable:
    """Read every packet once from the start, without decoding."""
    rows, note = _rows(video)
    pts = np.array([row.pts for row in rows], np.int64)
    dts = np.array([row.dts for row in rows], np.int64)
    key = np.array([row.key for row in rows], bool)
    if any(row.palette for row in rows[1:]):
        key[1:] = False
    order = np.flatnonzero([row.shown for row in rows])
    by_pts = video.container.format.name != "avi" and _are_distinct(pts[order])
    if video.reorders and by_pts:
        order = order[np.argsort(pts[order], kind="stable")]
    stamp = np.where(dts == _NONE, pts, dts)
    return PacketTable(
        order,
        ranks(order, len(rows)),
        stamp,
        np.array([row.position for row in rows], np.int64),
        key,
        _times_s((pts if by_pts else stamp)[order], float(video.stream.time_base or 1)),
        by_pts or not video.reorders,
        note,
    )


def ranks(order: NDArray[np.int64], packets: int) -> NDArray[np.int64]:
    """Return the frame of each packet; -1 for one that is not shown."""
    rank = np.full(packets, -1, np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _are_distinct(pts: NDArray[np.int64]) -> bool:
    return _NONE not in pts and len(np.unique(pts)) == len(pts)


def _times_s(stamps: NDArray[np.int64], time_base_s: float) -> FloatArray:
    if _NONE in stamps:
        return np.full(len(stamps), np.nan)
    rising = np.sort(stamps)
    return (rising - rising[:1]).astype(np.float64) * time_base_s
