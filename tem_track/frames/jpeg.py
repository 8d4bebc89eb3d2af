"""The tables that a JPEG picture brings along, to see whether one lacks its own.

A decoder keeps the tables of the picture before, so that a picture which has lost one by damage
is decoded with another's and nothing is said.

Format: ITU-T T.81 (1992), annex B.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["TableCheck"]

Tables = Counter[tuple[int, int]]

_QUANTISATION, _HUFFMAN, _SCAN = 0xDB, 0xC4, 0xDA
_BEGINNING = b"\xff\xd8"
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length (ITU-T T.81, table B.1): TEM, RST0 to RST7, SOI."""


def _tables(packet: bytes) -> tuple[Tables, int]:
    """Return marker and identifier of every table before the first scan, and where it begins."""
    found: Tables = Counter()
    place = 2
    while place + 4 <= len(packet) and packet[place] == 0xFF and packet[place + 1] != _SCAN:
        marker = packet[place + 1]
        if marker in _ALONE or marker == 0xFF:
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + int.from_bytes(packet[place + 2 : place + 4], "big")
        if marker in (_QUANTISATION, _HUFFMAN):
            found.update((marker, name) for name in _names(packet[place + 4 : end], marker))
        place = end
    return found, place


def _names(body: bytes, marker: int) -> list[int]:
    """Return the identifiers of the tables that one segment holds."""
    names, place = [], 0
    while place < len(body):
        names.append(body[place])
        if marker == _QUANTISATION:
            place += 1 + (128 if body[place] >> 4 else 64)
        else:
            place += 17 + sum(body[place + 1 : place + 17])
    return names


class TableCheck:
    """Whether pictures bring along the tables that most of some pictures do."""

    def __init__(self, some: Iterable[bytes]) -> None:
        whole = [packet for packet in some if packet.startswith(_BEGINNING)]
        self._has_beginning = bool(whole)
        kinds = Counter(frozenset(_tables(packet)[0].items()) for packet in whole)
        self._usual: Tables = Counter(dict(kinds.most_common(1)[0][0])) if kinds else Counter()
        self._sound_head = b""

    def lacks_one(self, packet: bytes) -> bool:
        """Return whether a picture lacks its beginning, or a table that the others have.

        A decoder looks for the beginning anywhere, and so would show the next picture.
        """
        if self._has_beginning and not packet.startswith(_BEGINNING):
            return True
        if self._sound_head and packet.startswith(self._sound_head):
            return False  # a camera writes the same head before every picture
        found, end = _tables(packet)
        if self._usual - found:
            return True
        self._sound_head = packet[:end]
        return False
