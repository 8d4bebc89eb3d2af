"""Decode a video strictly: every picture in its place, or none and the reason."""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tem_track.frames.avc import Kind, picture_kind, shown_out_of_turn
from tem_track.frames.container import READ_ERRORS, Video
from tem_track.frames.intact import IntactPackets
from tem_track.frames.movie import Picture
from tem_track.frames.packets import DEEPEST_REORDERING, PacketTable, ranks, trusted_keys
from tem_track.frames.pixels import grey_values

__all__ = ["Decoder", "in_order_of_output"]

_HONEST_KEYS = {"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "ffv1", "vp8", "vp9", "av1"}
"""Codecs that depend on earlier frames and whose decoders say truly which frames are key."""

_INTRA = 1
"""FFmpeg's number of a picture that needs no other (AV_PICTURE_TYPE_I)."""


@dataclass(slots=True)
class _Output:
    rank: int
    frame: Any
    note: str


class Decoder:
    """A position in a video file.

    After damage, frames that may rest on the damaged one are not given out as good: everything
    up to the next key frame counts as bad.
    """

    def __init__(self, video: Video, table: PacketTable) -> None:
        self._video, self._table = video, table
        self._packets = IntactPackets(video, table)
        self._by_keys = video.intra_only or video.codec in _HONEST_KEYS
        self._keys = trusted_keys(table)
        self._key_set = frozenset(self._keys.tolist())
        self._spoilt = False
        self._unclean: set[int] = set()
        video.work_in_background(False)
        self._begin(0)

    def picture(self, index: int) -> Picture:
        """Return the picture of one frame, decoding on from here or from a key frame."""
        start = self._start_for(index)
        if index < self._next or start > self._fed:
            self._go_to(index)
        output = self._decode_up_to(index)
        if (output is None or output.note) and self._began_at < start:
            # What an earlier damage has spoilt may be sound when decoding begins at its key frame.
            self._go_to(index)
            output = self._decode_up_to(index)
        if output is None:
            return None, "no picture can be decoded here"
        if output.note:
            return None, output.note
        return self._image(output.frame)

    def outputs_as_they_come(self) -> Iterator[tuple[int, int, bool]]:
        """Yield packet, packets fed, and whether it was held back to the end, of each picture."""
        for frame in self._frames():
            yield self._video.ordinal(frame), self._fed, self._draining

    def out_of_turn(self, order: list[int]) -> frozenset[int]:
        """Return the packets that are not shown where their kind of H.264 picture belongs."""
        if self._video.codec != "h264":
            return frozenset()
        kinds: list[Kind | None] = [None] * len(self._table.rank)
        for ordinal in range(len(kinds)):
            with contextlib.suppress(*READ_ERRORS):
                kinds[ordinal] = picture_kind(self._packets.read(ordinal))
        return shown_out_of_turn(kinds, order)

    def close(self) -> None:
        """Close the file."""
        self._video.close()

    def _start_for(self, index: int) -> int:
        """Return the packet from which decoding gives this frame."""
        if not self._by_keys:
            return 0
        packet = int(self._table.order[index])
        if self._video.intra_only:
            return packet
        place = int(np.searchsorted(self._keys, packet, side="right"))
        for key in self._keys[:place][::-1].tolist():
            if self._table.rank[key] <= index and key not in self._unclean:
                return int(key)
        return 0

    def _begin(self, packet: int) -> None:
        if self._spoilt:
            self._video.renew()
        else:
            self._video.forget()
        self._spoilt = False
        self._draining = False
        self._began_at = self._fed = packet
        self._next = max(int(self._table.rank[packet]), 0) if packet else 0
        self._held: _Output | None = None
        self._bad: list[int] = []
        self._clean_key = -1
        self._lost: set[int] = set()
        self._owed: dict[int, int] = {}
        self._bad_leading = (len(self._table.rank), -1)
        self._unsure_before = -1
        self._outputs = self._run()

    def _go_to(self, index: int) -> None:
        """Begin at the nearest packet from which decoding to a frame is clean.

        What turns out not to be a beginning is remembered for the next search alone: where an
        iteration goes on after damage must not depend on what has been asked for before.
        """
        start = self._start_for(index)
        if self._video.intra_only:
            if start < self._fed:
                self._begin(start)
            self._fed = start
            return
        self._begin(start)
        while start and not self._starts_clean(start):
            self._unclean.add(start)
            start = self._start_for(index)
            self._begin(start)

    def _starts_clean(self, packet: int) -> bool:
        """Return whether decoding from here begins with this packet's own, complete picture."""
        output = next(self._outputs, None)
        self._held = output
        rank = int(self._table.rank[packet])
        return (
            output is not None
            and output.rank == rank
            and not output.note
            and bool(output.frame.key_frame)
            and output.frame.pict_type == _INTRA
        )

    def _decode_up_to(self, index: int) -> _Output | None:
        output = self._held or next(self._outputs, None)
        while output is not None and output.rank < index:
            output = next(self._outputs, None)
        self._next = index + 1
        self._held = output
        return output if output is not None and output.rank == index else None

    def _run(self) -> Iterator[_Output]:
        """Yield the outputs of the decoder, rising in rank."""
        last = self._next - 1
        for frame in self._frames():
            ordinal = self._video.ordinal(frame)
            rank = int(self._table.rank[ordinal]) if ordinal >= 0 else -1
            self._mark_vanished_keys(rank, last)
            note = self._damage(frame, ordinal)
            passed_over = self._passes_over(ordinal, rank, last)
            if rank > last:
                last = rank
                note = note or ("its place is not certain" if passed_over else "")
                yield _Output(rank, frame, note)

    def _mark_vanished_keys(self, rank: int, last: int) -> None:
        """Count key frames as bad that the decoder has taken in and passed over in silence."""
        if self._video.intra_only:
            return  # what lies between was not asked for, and nothing rests on it
        for between in range(last + 1, rank):
            ordinal = int(self._table.order[between])
            if ordinal in self._key_set and ordinal < self._fed and ordinal not in self._lost:
                self._mark_bad(ordinal)

    def _passes_over(self, ordinal: int, rank: int, last: int) -> bool:
        """Return whether the decoder shows a picture before one that is stamped earlier.

        Then the time stamps contradict the decoder's order, and no place is certain until it has
        shown what it passed over. A decoder need not show every packet, so that it may stop
        owing one after as many pictures as any codec holds back.
        """
        if not (self._table.stamped and self._video.reorders) or rank < 0:
            return False
        if ordinal in self._key_set:
            self._owed.clear()
            return False
        self._owed.pop(rank, None)
        self._owed = {r: left - 1 for r, left in self._owed.items() if left > 0}
        for between in range(last + 1, rank):
            if int(self._table.order[between]) not in self._lost:
                self._owed[between] = DEEPEST_REORDERING
        return bool(self._owed)

    def _frames(self) -> Iterator[Any]:
        while self._fed < len(self._table.rank):
            ordinal = self._fed
            self._fed += 1
            try:
                frames, clean = self._video.decode(self._packets.read(ordinal), ordinal)
            except READ_ERRORS:
                frames, clean = [], False
            if not clean:
                self._unsure_before = ordinal
                self._spoilt = True
                self._mark_bad(ordinal)
            yield from frames
            if not clean and self._video.intra_only:
                self._video.renew()
            elif ordinal in self._bad and self._by_keys:
                yield from self._restart_behind(ordinal)
        self._draining = True
        with contextlib.suppress(*READ_ERRORS):
            yield from self._video.drain()

    def _restart_behind(self, ordinal: int) -> Iterator[Any]:
        """Give what the decoder still holds, and go on at the next key frame, with no memory."""
        following = self.next_key(ordinal)
        self._lost.update(range(ordinal, following))
        with contextlib.suppress(*READ_ERRORS):
            yield from self._video.drain()
        self._video.renew()
        self._fed = following

    def next_key(self, ordinal: int) -> int:
        """Return the first key packet behind one; the number of packets where there is none."""
        place = int(np.searchsorted(self._keys, ordinal, side="right"))
        return int(self._keys[place]) if place < len(self._keys) else len(self._table.rank)

    def _mark_bad(self, ordinal: int) -> None:
        self._lost.add(ordinal)
        place = int(np.searchsorted(self._keys, ordinal)) - 1
        key_rank = int(self._table.rank[self._keys[place]]) if place >= 0 else -1
        if 0 <= self._table.rank[ordinal] < key_rank:
            # Shown before the key frame that it follows in the file: what is shown after that
            # key frame does not rest on it.
            self._bad_leading = (ordinal, key_rank)
        else:
            bisect.insort(self._bad, ordinal)

    def _damage(self, frame: Any, ordinal: int) -> str:
        """Return why a picture is not to be trusted; empty where it is."""
        if frame.is_corrupt:
            self._mark_bad(ordinal)
        before = bisect.bisect_right(self._bad, ordinal)
        last_bad = self._bad[before - 1] if before else -1
        if last_bad == ordinal:
            return "damaged"
        if self._video.intra_only:
            return ""
        if frame.key_frame:
            self._clean_key = ordinal
        if self._is_unsure(ordinal) or ordinal in self._table.doubtful:
            return "its place is not certain"
        if ordinal >= self._bad_leading[0] and self._table.rank[ordinal] < self._bad_leading[1]:
            return "rests on a damaged frame"
        if last_bad < 0 or last_bad < self._clean_key <= ordinal:
            return ""
        return "rests on a damaged frame"

    def _is_unsure(self, ordinal: int) -> bool:
        """Return whether a picture was held back while one failed that may belong before it."""
        failed = self._unsure_before
        if self._table.stamped or not self._video.reorders or ordinal >= failed:
            return False
        return bool(self._table.rank[ordinal] < self._table.rank[failed])

    def _image(self, frame: Any) -> Picture:
        size = (frame.width, frame.height)
        if size != (self._video.width_px, self._video.height_px):
            return None, f"has another size, {size[0]}x{size[1]} px"
        if frame.format.name != self._video.pixel_format:
            return None, f"has another pixel format, {frame.format.name}"
        return grey_values(frame), ""


def in_order_of_output(decoder: Decoder, table: PacketTable) -> PacketTable:
    """Return the table in the order in which the decoder shows the frames; decodes everything.

    A packet that gives no picture is put before the first picture of a later packet; the
    pictures that the decoder held back at that moment may belong before or after it.
    """
    outputs = list(decoder.outputs_as_they_come())
    shown = set(table.order.tolist())
    if table.end_note:
        # What the decoder still holds at a cut may belong behind frames that are lost.
        shown -= {packet for packet, _, held in outputs if held}
    seen = dict.fromkeys(packet for packet, _, _ in outputs if packet in shown)
    missing = sorted(shown - set(seen), reverse=True)
    doubtful = {p for p, fed, _ in outputs for m in missing if p < m <= fed}
    doubtful |= {p for m in missing for p in range(m, decoder.next_key(m))}
    order: list[int] = []
    for packet in seen:
        while missing and missing[-1] < packet:
            order.append(missing.pop())
        order.append(packet)
    order += missing[::-1]
    doubtful |= decoder.out_of_turn(order)
    places = np.array(order, np.int64)
    return replace(
        table,
        order=places,
        rank=ranks(places, len(table.rank)),
        time_s=table.time_s[: len(places)],
        ordered=True,
        doubtful=frozenset(doubtful),
    )
