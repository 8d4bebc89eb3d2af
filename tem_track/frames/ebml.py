"""The frames of a Matroska or WebM file, found by walking its elements.

Blocks are read one after the other whatever the sizes of their clusters and the index (cues) say.
Where the chain is broken the walk goes on at the next sound block; the frames that the broken
stretch held are then the stamps that a regular clock misses. Where the clock is not regular, the
movie ends there, because what follows has no certain number.

Format: RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tem_track.errors import MovieError
from tem_track.frames.mapped import PAGES_HELD, let_go

__all__ = ["Block", "EbmlMap", "map_matroska"]

_SEGMENT, _CLUSTER, _GROUP = 0x18538067, 0x1F43B675, 0xA0
_TRACKS, _INFO, _TRACK = 0x1654AE6B, 0x1549A966, 0xAE
_NUMBER, _TYPE, _SCALE = 0xD7, 0x83, 0x2AD7B1
_STAMP, _SIMPLE, _BLOCK, _REFERENCE, _DURATION = 0xE7, 0xA3, 0xA1, 0xFB, 0x9B
_VOID, _CRC = 0xEC, 0xBF
_ENTERED = {_SEGMENT, _CLUSTER, _GROUP, _TRACKS, _INFO, _TRACK}
_SMALL = {_STAMP: 8, 0xA7: 8, 0xAB: 8, _CRC: 4, _DURATION: 8, _REFERENCE: 8}
"""Elements whose body is a number, and the bytes that it has at most."""
_TOP = {0x1A45DFA3, 0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1941A469, 0x1043A770, _VOID}
_IN_GROUP = {_DURATION, _REFERENCE, 0x75A1, 0x75A2, 0xFA, 0x8E, 0xA4}
_IN_CLUSTER = {_STAMP, 0xA7, 0xAB, 0x5854, _CRC, _SIMPLE, _GROUP, _BLOCK}
_KNOWN = _ENTERED | _TOP | _IN_GROUP | _IN_CLUSTER
_CLUSTER_BYTES = _CLUSTER.to_bytes(4, "big")
"""Names of elements (RFC 8794, RFC 9559) at the top level, in a block's group and in a cluster."""
_LACED = 0x06
_KEY = 0x80
"""Bits of a block's flags: several frames in one block, and a frame that needs no other."""
_BLOCK_HEAD = 4
"""Bytes before a block's picture: track, time (two) and flags."""
_CLUSTER_HEAD = 40
"""Bytes before a cluster's first block in which its time is sought: name and size of the cluster,
and the few small elements that may stand between."""


@dataclass(frozen=True, slots=True)
class Block:
    """One frame's place in the file, in bytes, and its time stamp in ticks; offset -1 if lost."""

    offset: int
    size: int
    stamp: int
    key: bool


@dataclass(slots=True)
class EbmlMap:
    """The frames of the first video track in the order of the file.

    Attributes
    ----------
    blocks : list of Block
    gaps : list of int
        Broken stretches, each by the number of blocks before it.
    tick_s : float
        Length of a tick of the time stamps.
    end_note : str
        Why the movie ends early; empty where it does not.
    """

    blocks: list[Block] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    tick_s: float = 1e-3
    end_note: str = ""


@dataclass(slots=True)
class _State:
    tracks: dict[int, int] = field(default_factory=dict)
    number: int = 0
    cluster: int | None = None
    video: int | None = None


def map_matroska(path: Path) -> EbmlMap:
    """Return the frames of the first video track of a Matroska file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _Walk(path.name, data).run()


def _vint(data: mmap.mmap, place: int, keep_marker: bool) -> tuple[int, int] | None:
    """Return a variable-length number and its length in bytes; None where there is none."""
    if place >= len(data) or data[place] == 0:
        return None
    first = data[place]
    length = 9 - first.bit_length()
    raw = data[place : place + length]
    if len(raw) < length or (keep_marker and length > 4):
        return None
    value = int.from_bytes(raw, "big")
    return (value if keep_marker else value & ~(1 << (7 * length))), length


def _is_open(data: mmap.mmap, body: int, size: int) -> bool:
    """Return whether an element is of unknown size, which is written as ones alone."""
    return any(size == (1 << 7 * n) - 1 and data[body - n] >> (8 - n) == 1 for n in range(1, 9))


class _Walk:
    def __init__(self, name: str, data: mmap.mmap) -> None:
        self._name, self._data = name, data
        self._state = _State()
        self._map = EbmlMap()
        self._claimed = {_SEGMENT: 0, _CLUSTER: 0}  # where the last of each says that it ends

    def run(self) -> EbmlMap:
        place, end = 0, len(self._data)
        for step in count():
            if place >= end:
                break
            if step % PAGES_HELD == 0:
                let_go(self._data)
            element = self._element(place)
            if element is None:
                place = self._past_damage(place)
                continue
            name, body, size = element
            if name in _ENTERED:
                self._enter(name)
                self._claimed[name] = 0 if _is_open(self._data, body, size) else body + size
                place = body
            elif body + size > end:
                self._map.end_note = f"the file is cut at its end, inside frame {self._count()}"
                break
            else:
                self._take(name, body, size)
                place = body + size
        if not self._map.end_note and min(self._claimed[_SEGMENT], self._claimed[_CLUSTER]) > end:
            self._map.end_note = f"the file is cut at its end, after frame {self._count() - 1}"
        return self._map

    def _count(self) -> int:
        return len(self._map.blocks)

    def _element(self, place: int) -> tuple[int, int, int] | None:
        """Return name, place of the body and size of a sound element; None where there is none."""
        name = _vint(self._data, place, keep_marker=True)
        if name is None:
            return None
        size = _vint(self._data, place + name[1], keep_marker=False)
        if size is None or not self._may_stand(name[0], size[0]):
            return None
        body = place + name[1] + size[1]
        end = body + size[0]
        if name[0] in _ENTERED or self._followed(end):
            return name[0], body, size[0]
        return None

    def _may_stand(self, name: int, size: int) -> bool:
        if self._state.cluster is None:
            # Names of four bytes stand at the top level alone, where all are known.
            return name in _KNOWN or name < 1 << 24
        return name in _KNOWN and size <= _SMALL.get(name, size)

    def _followed(self, end: int) -> bool:
        """Return whether an element can begin where another ends, or the file is cut before."""
        if end >= len(self._data):
            return end == len(self._data) or not self._later_cluster()
        following = _vint(self._data, end, keep_marker=True)
        if following is None:
            return False
        early = self._state.cluster is None
        return following[0] in _KNOWN or (early and following[0] < 1 << 24)

    def _later_cluster(self) -> bool:
        """Return whether an element that would reach past the end only claims to."""
        blocks = self._map.blocks
        start = blocks[-1].offset + blocks[-1].size if blocks else 0
        return self._data.find(_CLUSTER_BYTES, start) >= 0 or self._next_block(start + 2) >= 0

    def _enter(self, name: int) -> None:
        if name == _CLUSTER:
            self._state.cluster = self._state.cluster or 0

    def _take(self, name: int, body: int, size: int) -> None:
        state = self._state
        if name in (_SIMPLE, _BLOCK):
            self._take_block(name, body, size)
        elif name == _REFERENCE and self._map.blocks:
            last = self._map.blocks[-1]
            self._map.blocks[-1] = Block(last.offset, last.size, last.stamp, key=False)
        elif name == _STAMP:
            state.cluster = self._number(body, size)
        elif name == _SCALE and state.cluster is None:
            self._map.tick_s = self._number(body, size) * 1e-9 or 1e-3
        elif name == _NUMBER and state.cluster is None:
            state.number = self._number(body, size)
        elif name == _TYPE and state.cluster is None:
            state.tracks[state.number] = self._number(body, size)
            if state.tracks[state.number] == 1 and state.video is None:
                state.video = state.number
        elif state.cluster is not None and self._looks_like_a_block(body, size):
            self._map.gaps.append(self._count())

    def _looks_like_a_block(self, body: int, size: int) -> bool:
        """Return whether an element that holds no frame begins as a block of the video does.

        Then its name is damaged; what is put in to fill space is empty.
        """
        video = self._state.video
        return size > _BLOCK_HEAD and video is not None and self._data[body] == 0x80 | video

    def _number(self, body: int, size: int) -> int:
        return int.from_bytes(self._data[body : body + min(size, 8)], "big")

    def _take_block(self, name: int, body: int, size: int) -> None:
        track = _vint(self._data, body, keep_marker=False)
        if track is None or track[0] not in self._state.tracks or size < track[1] + 3:
            self._map.gaps.append(self._count())
            return
        if track[0] != self._state.video:
            return
        head = body + track[1]
        flags = self._data[head + 2]
        if flags & _LACED:
            raise MovieError(f"{self._name}: several frames share a block; remux it without lacing")
        stamp = int.from_bytes(self._data[head : head + 2], "big", signed=True)
        key = bool(flags & _KEY) or name == _BLOCK
        place = head + 3
        if place + 0 < body + size:
            stamp += self._state.cluster or 0
            self._map.blocks.append(Block(place, body + size - place, stamp, key))

    def _past_damage(self, place: int) -> int:
        """Note a stretch that cannot be read and return where the chain goes on."""
        cluster = self._data.find(_CLUSTER_BYTES, place + 1)
        block = self._next_block(place + 1)
        nearest = min((p for p in (cluster, block) if p >= 0), default=-1)
        if nearest < 0:
            if self._data[place:].strip(b"\0"):
                self._map.end_note = f"the file is damaged or cut at byte {place}"
            return len(self._data)
        self._map.gaps.append(self._count())
        if nearest == cluster:
            return cluster
        stamp = self._stamp_before(nearest, place)
        if stamp is None and self._is_of_another_cluster(nearest):
            if cluster < 0:
                self._map.end_note = f"the file is damaged at byte {place}"
            return cluster if cluster >= 0 else len(self._data)
        self._state.cluster = stamp or self._state.cluster
        return nearest

    def _is_of_another_cluster(self, block: int) -> bool:
        """Return whether a block ends behind the cluster whose time is known."""
        size = _vint(self._data, block + 1, keep_marker=False) or (0, 0)
        return 0 < self._claimed[_CLUSTER] < block + 1 + size[1] + size[0]

    def _stamp_before(self, block: int, earliest: int) -> int | None:
        """Return the time of a cluster whose name is damaged and whose first block this is."""
        begin = max(earliest, block - _CLUSTER_HEAD)
        head = self._data[begin:block]
        at = head.rfind(b"\xe7")
        while at >= 0:
            size = head[at + 1] & 0x7F if at + 1 < len(head) and head[at + 1] & 0x80 else 0
            place = begin + at + 2 + size
            if 0 < size <= 8 and self._leads_to(place, block):
                return int.from_bytes(head[at + 2 : at + 2 + size], "big")
            at = head.rfind(b"\xe7", 0, at)
        return None

    def _leads_to(self, place: int, block: int) -> bool:
        """Return whether small elements alone stand between a place and a block."""
        while place < block:
            element = self._element(place)
            if element is None or element[0] not in _SMALL:
                return False
            place = element[1] + element[2]
        return place == block

    def _next_block(self, place: int) -> int:
        """Return the next place where a block of a known track stands and another follows it."""
        tracks = [0x80 | n for n in self._state.tracks if n < 0x7F]
        at = self._data.find(b"\xa3", place)
        while at >= 0:
            size = _vint(self._data, at + 1, keep_marker=False)
            if size is not None:
                body = at + 1 + size[1]
                end = body + size[0]
                if end < len(self._data) and self._data[body] in tracks and self._sound(end):
                    return at
            at = self._data.find(b"\xa3", at + 1)
        return -1

    def _sound(self, place: int) -> bool:
        """Return whether a whole element that belongs after a block stands here."""
        name = _vint(self._data, place, keep_marker=True)
        if name is None or name[0] not in _KNOWN:
            return False
        size = _vint(self._data, place + name[1], keep_marker=False)
        if size is None or size[0] > _SMALL.get(name[0], size[0]):
            return False
        return name[0] in _ENTERED or place + name[1] + size[1] + size[0] <= len(self._data)
