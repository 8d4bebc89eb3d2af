"""Read thousands of damaged movies: ``python -m tests.frames.fuzz --seconds 60``.

Every file is a small sound movie of one format with some bytes changed, cut out, put in, or the
end cut off. Reading it must give frames in their right places or a `MovieError`, within 10 s and
1 GB, and must not bring the process down. A frame is out of place if it counts as good and shows
another frame's number; pixels changed inside an intact packet cannot be known, so a picture that
is merely wrong is not counted, nor one that rests on a changed packet standing in its own place and
shows old blocks for it. Files are read in child processes, so that a crash is seen.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import multiprocessing.connection as connection
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tem_track.frames.video import VideoSource
from tests.frames.movies import FORMATS, N, number

LIMIT_S = 10.0
LIMIT_BYTES = 1_000_000_000
LONGEST_DELAY = 3
"""How far on in display a frame stands that another rests on, in these movies."""
UNFIT = {"mrc", "tvips in parts"}
"""Nothing in an MRC file shows that bytes are missing between its pixels; parts are other files."""
FUZZED = [name for name in FORMATS if "folder" not in name and name not in UNFIT]


@dataclass(frozen=True)
class Verdict:
    """What reading one damaged file has given; `fault` is empty where nothing is wrong."""

    kind: str
    fault: str = ""


def damaged(data: bytes, seed: int) -> bytes:
    """Return the file with damage that the seed alone decides."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    kind = rng.integers(0, 6)
    for _ in range(int(rng.integers(1, 6))):
        at = _place(rng, len(changed))
        length = int(rng.integers(1, 40))
        if kind <= 2:
            changed[at] = int(rng.integers(0, 256))
        elif kind == 3:
            changed[at : at + length] = rng.bytes(len(changed[at : at + length]))
        elif kind == 4:
            del changed[at : at + length]
        else:
            changed[at:at] = rng.bytes(length)
    if rng.random() < 0.15:
        del changed[int(rng.integers(1, len(changed))) :]
    return bytes(changed)


def _place(rng: np.random.Generator, size: int) -> int:
    """Return a place to damage: half of them in the header or at the end, where structure is."""
    where = rng.random()
    if where < 0.3:
        return int(rng.integers(0, min(size, 1200)))
    if where < 0.5:
        return int(rng.integers(max(0, size - 2500), size))
    return int(rng.integers(0, size))


def _packets(path: Path) -> list[bytes]:
    """Return the packets of a video in order of display; none of other kinds of files."""
    from tem_track.frames import open_movie

    source = open_movie(path)._source
    if not isinstance(source, VideoSource):
        return []
    data, table = path.read_bytes(), source.table
    return [data[max(table.offset[k], 0) :][: table.size[k]] for k in table.order.tolist()]


def _is_own(packet: bytes, sound: bytes) -> bool:
    """Return whether a packet is the sound one with a few bytes changed."""
    same = sum(a == b for a, b in zip(packet, sound, strict=False))
    return len(packet) == len(sound) and same >= 0.75 * len(sound)


def _only_pixels(path: Path, sound: Path, index: int, good: Container[int]) -> bool:
    """Return whether a wrong picture comes from changed pixels: all packets in their own places.

    Every packet up to it that counts as good stands where it belongs, and its own or one that it
    may rest on is changed, but still decodes without complaint.
    """
    before = list(zip(_packets(path), _packets(sound), strict=False))[: index + LONGEST_DELAY]
    shown = [pair for n, pair in enumerate(before) if n in good]
    changed = any(own != true for own, true in shown)
    return len(before) > index and changed and all(_is_own(*pair) for pair in shown)


def read(path: Path, sound: Path | None = None) -> Verdict:
    """Read a movie whole and at random, and judge; `sound` is the movie before the damage."""
    from tem_track.errors import MovieError
    from tem_track.frames import open_movie

    try:
        movie = open_movie(path)
        frames = list(movie)
    except MovieError as error:
        return Verdict("refused", "" if "\n" not in str(error) else "message of several lines")
    if len(frames) != len(movie) or [f.index for f in frames] != list(range(len(movie))):
        return Verdict("read", f"{len(frames)} frames of {len(movie)}")
    shown = {f.index: number(f.image) for f in frames if f.ok}
    wrong = {i: n for i, n in shown.items() if n is not None and n != i and n < N}
    if wrong and sound is not None:
        wrong = {i: n for i, n in wrong.items() if not _only_pixels(path, sound, i, shown)}
    if wrong:
        return Verdict("read", f"out of place: {dict(list(wrong.items())[:5])}")
    for index in {0, len(frames) // 2, len(frames) - 1}:
        again = movie[index]
        same = again.image.tobytes() == frames[index].image.tobytes()
        if again.ok != frames[index].ok or not same:
            return Verdict("read", f"frame {index} differs when read alone")
    return Verdict("read")


def _serve(pipe: connection.Connection) -> None:
    import resource
    import warnings

    warnings.simplefilter("ignore")
    while True:
        path, sound = pipe.recv()
        try:
            verdict = read(path, sound)
        except Exception as error:
            verdict = Verdict("failed", f"{type(error).__name__}: {error}")
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if used > LIMIT_BYTES and not verdict.fault:
            verdict = Verdict("failed", f"{used / 1e6:.0f} MB")
        pipe.send(verdict)


class Reader:
    """A child process that reads files; started anew after a crash, a hang or too much memory."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._child.start()
        theirs.close()

    def judge(self, path: Path, sound: Path) -> Verdict:
        """Return the verdict on one file and the sound one that it was made from."""
        self._pipe.send((path, sound))
        try:
            if self._pipe.poll(LIMIT_S):
                verdict: Verdict = self._pipe.recv()
                if not verdict.fault.endswith(" MB"):
                    return verdict
            else:
                verdict = Verdict("failed", f"takes longer than {LIMIT_S:g} s")
        except EOFError:
            self._child.join()
            verdict = Verdict("failed", f"crash, exit code {self._child.exitcode}")
        self.close()
        self._start()
        return verdict

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.join()
        self._pipe.close()


def run(seconds: float, files: int, seed: int, keep: Path | None, only: str) -> int:
    """Read damaged files until the time or the number is reached; return the number of faults."""
    start, done, faults = time.monotonic(), 0, 0
    kinds: Counter[str] = Counter()
    reader = Reader()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = _sound_files(folder, only)
        while done < files and time.monotonic() - start < seconds:
            form, (suffix, data) = sound[done % len(sound)]
            own_seed = seed + done
            path = folder / f"damaged{suffix}"
            path.write_bytes(damaged(data, own_seed))
            verdict = reader.judge(path, folder / FORMATS[form][0])
            kinds[verdict.kind] += 1
            if verdict.fault:
                faults += 1
                print(f"{form}, seed {own_seed}: {verdict.fault}", flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{form} {own_seed}{suffix}").write_bytes(path.read_bytes())
            done += 1
    reader.close()
    took = time.monotonic() - start
    print(f"{done} files in {took:.0f} s: {dict(kinds)}; {faults} faults")
    return faults


def _sound_files(folder: Path, only: str) -> list[tuple[str, tuple[str, bytes]]]:
    sound = []
    for form in FUZZED:
        if only in form:
            file, write, _ = FORMATS[form]
            write(folder / file)
            sound.append((form, (Path(file).suffix, (folder / file).read_bytes())))
    return sound


def main() -> None:
    """Run from the command line; the exit status is 1 where a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--files", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="formats whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for the files that were read wrongly")
    given = parser.parse_args()
    sys.exit(run(given.seconds, given.files, given.seed, given.keep, given.only) > 0)


if __name__ == "__main__":
    main()
