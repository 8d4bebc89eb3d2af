"""Whether H.264 pictures are shown in an order that their kinds allow.

Where a container has no time stamps, the order is the one in which the decoder puts the pictures
out, by a number in each slice's header (ITU-T H.264, 8.2.1). A damaged number moves a picture
without a complaint. Encoders keep an order that the kinds of pictures show: those that are no
B-pictures are shown as they are decoded, a B-picture between the last two of them, and one that
no other rests on is decoded last, just before it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Kind", "picture_kind", "shown_out_of_turn"]

_SLICE = re.compile(rb"\x00\x00\x01([\x01\x21\x41\x61\x05\x25\x45\x65])(..)", re.DOTALL)
_B_TYPES = {1, 6}
_TYPES = 10
"""Values of `slice_type` that ITU-T H.264 (table 7-6) gives to B slices, and how many values there
are."""
_OWN_WAY = 0.75
"""Part of the frames that may be out of turn. A damaged packet misplaces its neighbours; more than
this means an encoder that orders its pictures otherwise."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a picture's first slice states: whether it is a B-picture, and others rest on it."""

    is_b: bool
    is_reference: bool


def picture_kind(packet: bytes) -> Kind | None:
    """Return the kind of a packet's picture; None where its start codes do not show it."""
    found = _SLICE.search(packet)
    if found is None:
        return None
    bits = f"{int.from_bytes(found[2], 'big'):016b}"
    _, rest = _unsigned(bits)
    slice_type, _ = _unsigned(rest)
    if slice_type is None or slice_type >= _TYPES:
        return None
    return Kind(slice_type in _B_TYPES, found[1][0] >> 5 > 0)


def _unsigned(bits: str) -> tuple[int | None, str]:
    """Return the number that begins here (Exp-Golomb) and what follows; None where it is cut."""
    zeros = len(bits) - len(bits.lstrip("0"))
    end = 2 * zeros + 1
    return (int(bits[:end], 2) - 1 if end <= len(bits) else None), bits[end:]


def shown_out_of_turn(kinds: Sequence[Kind | None], order: Sequence[int]) -> frozenset[int]:
    """Return the packets whose places are not certain because one is not where its kind belongs.

    Parameters
    ----------
    kinds : sequence of Kind or None
        Of every packet in the order of the file.
    order : sequence of int
        Packet of each frame as the decoder shows them.

    Returns
    -------
    frozenset of int
        Empty where nearly all would be among them: then the encoder goes another way.
    """
    rank = {packet: place for place, packet in enumerate(order)}
    doubtful: set[int] = set()
    for one, other in _pairs_in_turn(kinds, sorted(rank)):
        doubtful.update(order[rank[other] : rank[one] + 1])
    return frozenset(doubtful) if len(doubtful) <= _OWN_WAY * len(order) else frozenset()


def _pairs_in_turn(
    kinds: Sequence[Kind | None], packets: Iterable[int]
) -> Iterable[tuple[int, int]]:
    """Yield pairs of packets of which the first is to be shown before the second."""
    anchors: list[int] = []
    waiting: int | None = None  # the last picture that is shown as soon as it is decoded
    for packet in packets:
        kind = kinds[packet]
        if waiting is not None:
            yield waiting, packet
        if kind is None:
            anchors.clear()
        elif kind.is_b:
            yield from ((anchor, packet) for anchor in anchors[-2:-1])
            yield from ((packet, anchor) for anchor in anchors[-1:])
            waiting = packet if not kind.is_reference else waiting
        else:
            yield from ((anchor, packet) for anchor in anchors[-1:])
            anchors.append(packet)
