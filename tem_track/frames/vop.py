"""The order of display of MPEG-4 part 2 frames, from the type that each packet states.

An AVI file has no presentation times. A B-frame (VOP) is shown at once, every other one when the
next of its kind arrives (ISO/IEC 14496-2, 6.3.5 and annex on low-delay coding), so the types
alone give the order and nothing has to be decoded for it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["display_order", "vop_type"]

_START = b"\x00\x00\x01\xb6"
_I, _P, _B, _S = range(4)


def vop_type(packet: bytes) -> int | None:
    """Return the type of a packet's only frame: 0 intra, 1 predicted, 2 B, 3 sprite.

    None where the packet holds no frame or several, as packed streams do.
    """
    at = packet.find(_START)
    if at < 0 or at + 4 >= len(packet) or packet.find(_START, at + 4) >= 0:
        return None
    return packet[at + 4] >> 6


def display_order(types: Sequence[int | None]) -> list[int] | None:
    """Return the packets in order of display; None where a packet does not tell its type."""
    order: list[int] = []
    waiting: int | None = None
    for packet, kind in enumerate(types):
        if kind is None:
            return None
        if kind == _B:
            order.append(packet)
            continue
        if waiting is not None:
            order.append(waiting)
        waiting = packet
    return order if waiting is None else [*order, waiting]
