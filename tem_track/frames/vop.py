"""The order of display of MPEG-4 part 2 frames, from what each packet states of itself.

An AVI file has no presentation times. A B-frame (VOP) is shown at once, every other one when the
next of its kind arrives (ISO/IEC 14496-2, 6.3.5 and annex on low-delay coding), so the types
alone give the order and nothing has to be decoded for it. Every VOP also states its own time,
which shows where damage has changed a type: the order by types then runs backwards in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "B_VOP",
    "EMPTY_BYTES",
    "Vop",
    "contradicting",
    "display_order",
    "increment_bits",
    "read_vop",
]

_START = b"\x00\x00\x01\xb6"
_GROUP = b"\x00\x00\x01\xb3"
_PREFIX = b"\x00\x00\x01"
_LAYER = range(0x20, 0x30)
_HEAD_BYTES = 64
_I, _P, B_VOP, _S = range(4)
_LONGEST_PAUSE_S = 256
EMPTY_BYTES = 32
"""A VOP that says it holds no picture is not longer than this."""
_EXTENDED_ASPECT, _SHAPE_GREY = 15, 3
"""Of a layer's head (ISO/IEC 14496-2): an aspect ratio that is written out, and a shape of grey."""


@dataclass(frozen=True, slots=True)
class Vop:
    """What a packet's only frame states.

    Attributes
    ----------
    kind : int
        0 intra, 1 predicted, 2 B, 3 sprite.
    seconds : int
        Whole seconds since those of the frame before (of the one shown before, for a B-frame).
    ticks : int
        Time within the second; -1 where the length of this number is not known.
    coded : bool
        False for a frame that says it repeats the one before.
    size : int
        Bytes from here to the end of the packet.
    clock_s : int or None
        Time of the group that begins here, in whole seconds; None where none begins.
    """

    kind: int
    seconds: int = 0
    ticks: int = -1
    coded: bool = True
    size: int = 0
    clock_s: int | None = None


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits as a number; zero bits where the data end."""
        self._left -= count
        if self._left < 0:
            return 0
        return (self._value >> self._left) & ((1 << count) - 1)


def increment_bits(data: bytes) -> int | None:
    """Return the length of the time in a VOP, from the layer's header; None where it has none."""
    at = data.find(_PREFIX)
    while at >= 0 and at + 4 < len(data):
        if data[at + 3] in _LAYER:
            resolution = _resolution(data[at + 4 : at + 4 + _HEAD_BYTES])
            return max((resolution - 1).bit_length(), 1) if resolution else None
        at = data.find(_PREFIX, at + 3)
    return None


def _resolution(layer: bytes) -> int:
    """Return the ticks of a second (ISO/IEC 14496-2, 6.2.3)."""
    bits = _Bits(layer)
    bits.take(1 + 8)
    version = bits.take(4 + 3) >> 3 if bits.take(1) else 1
    if bits.take(4) == _EXTENDED_ASPECT:
        bits.take(16)
    if bits.take(1):
        bits.take(2 + 1)
        if bits.take(1):
            bits.take(79)
    if bits.take(2) == _SHAPE_GREY and version != 1:
        bits.take(4)
    bits.take(1)
    return bits.take(16)


def read_vop(packet: bytes, whole: int, ticks_bits: int | None) -> Vop | None:
    """Return what a packet's only frame states.

    None where there is no frame in what is given of the packet, or several, as in packed streams.

    Parameters
    ----------
    packet : bytes
        The packet, or its beginning.
    whole : int
        Length of the whole packet.
    ticks_bits : int or None
        Length of the time in a frame's header, as `increment_bits` gives it.
    """
    at = packet.find(_START)
    if at < 0 or at + 4 >= len(packet) or packet.find(_START, at + 4) >= 0:
        return None
    kind, size = packet[at + 4] >> 6, whole - at
    if ticks_bits is None:
        return Vop(kind, size=size)
    bits = _Bits(packet[at + 4 : at + 4 + _HEAD_BYTES])
    bits.take(2)
    seconds = 0
    while seconds < _LONGEST_PAUSE_S and bits.take(1):
        seconds += 1
    bits.take(1)
    ticks = bits.take(ticks_bits)
    bits.take(1)
    return Vop(kind, seconds, ticks, bool(bits.take(1)), size, _clock_s(packet, at))


def _clock_s(packet: bytes, end: int) -> int | None:
    """Return the time of a group of frames (6.2.4) whose header stands before the frame."""
    at = packet.find(_GROUP, 0, end)
    if at < 0:
        return None
    bits = _Bits(packet[at + 4 : at + 8])
    hours, minutes, _, seconds = (bits.take(n) for n in (5, 6, 1, 6))
    return 3600 * hours + 60 * minutes + seconds


def display_order(types: Sequence[int | None]) -> list[int] | None:
    """Return the packets in order of display; None where a packet does not tell its type."""
    order: list[int] = []
    waiting: int | None = None
    for packet, kind in enumerate(types):
        if kind is None:
            return None
        if kind == B_VOP:
            order.append(packet)
            continue
        if waiting is not None:
            order.append(waiting)
        waiting = packet
    return order if waiting is None else [*order, waiting]


def contradicting(vops: Sequence[Vop | None], order: Sequence[int], most: int) -> frozenset[int]:
    """Return the packets whose own words contradict each other.

    Those are frames that say they are empty and are not, and those whose time is not between
    the times of the frames that they are shown between. Where more than `most` places run
    backwards, the program that wrote the file did not keep the time, and it says nothing.
    """
    empty = {n for n, v in enumerate(vops) if v and not v.coded and v.size > EMPTY_BYTES}
    times = _times(vops)
    order = [packet for packet in order if packet in times]
    stated = [times[packet] for packet in order]
    back = [k for k in range(1, len(stated)) if stated[k] <= stated[k - 1]]
    if len(back) > most:
        back = []
    found = set(empty)
    for k in back:
        without_later = k + 1 >= len(stated) or stated[k + 1] > stated[k - 1]
        without_earlier = k < 2 or stated[k] > stated[k - 2]
        found |= {order[k]} if without_later or not without_earlier else set()
        found |= {order[k - 1]} if without_earlier or not without_later else set()
    return frozenset(found)


def _times(vops: Sequence[Vop | None]) -> dict[int, tuple[int, int]]:
    """Return seconds and ticks of every packet that states them."""
    times: dict[int, tuple[int, int]] = {}
    base = base_before = 0
    for packet, vop in enumerate(vops):
        if vop is None or vop.ticks < 0:
            continue
        base = base if vop.clock_s is None else vop.clock_s
        if vop.kind == B_VOP:
            times[packet] = (base_before + vop.seconds, vop.ticks)
        else:
            base_before, base = base, base + vop.seconds
            times[packet] = (base, vop.ticks)
    return times
