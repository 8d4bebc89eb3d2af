"""Write a scene as a movie file, with its truth and an experiment file that runs as it stands."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomlkit

from tem_track.errors import ConfigError
from tem_track.simulate.conventions import CONVENTIONS
from tem_track.simulate.settings import CODECS, Codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tem_track.simulate.scene import Scene

__all__ = ["Simulated", "experiment_text", "write_files", "write_movie", "write_simulated"]


@dataclass(frozen=True, slots=True)
class Simulated:
    """The files of a simulated movie.

    Attributes
    ----------
    movie, truth_csv, truth_json : Path
    experiment : Path or None
    log : Path or None
        The electrical log of a growth scene.
    frames : int
    """

    movie: Path
    truth_csv: Path
    truth_json: Path
    experiment: Path | None
    frames: int
    log: Path | None = None


def write_simulated(
    scene: Scene,
    output: Path,
    *,
    codec: Codec = "mjpeg",
    quality: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Write movie, truth.csv, truth.json and experiment.toml into a folder.

    Parameters
    ----------
    scene : Scene
    output : Path
        The folder; it is made where there is none.
    codec : {'mjpeg', 'ffv1', 'raw', 'tiff16'}
    quality : int
        Quantiser of MJPEG, 2 (best) to 31; cameras write about 3.
    progress : callable, optional
        Called with (frames done, frames).

    Raises
    ------
    ConfigError
        For an unknown codec, or one that cannot hold the scene's depth.
    """
    if codec not in CODECS:
        raise ConfigError(f"simulate: there is no codec '{codec}'; there are {', '.join(CODECS)}")
    if scene.setup.bits == 16 and codec in ("mjpeg", "raw"):
        raise ConfigError(f"simulate: {codec} holds 8 bits; take codec ffv1 or tiff16 for 16")
    output.mkdir(parents=True, exist_ok=True)
    movie = output / (scene.name + (".tif" if codec == "tiff16" else ".avi"))
    experiment = output / "experiment.toml"
    written = write_files(
        scene, movie, output / "truth", codec=codec, quality=quality, progress=progress
    )
    log = written.log.name if written.log else None
    text = experiment_text(scene, movie.name, log)
    experiment.write_text(text, encoding="utf-8", newline="\n")
    return replace(written, experiment=experiment)


def write_files(
    scene: Scene,
    movie: Path,
    truth: Path,
    *,
    codec: Codec = "mjpeg",
    quality: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Write a movie, its truth (two files that begin alike) and its log where it has one."""
    write_movie(scene, movie, codec=codec, quality=quality, progress=progress)
    table, facts = (truth.with_name(truth.name + end) for end in (".csv", ".json"))
    _write_rows(scene, table)
    log = _write_log(scene, movie.with_name(f"{movie.stem}_potential.csv"))
    told = json.dumps(_plain(_truth(scene)), indent=1, allow_nan=False)
    facts.write_text(told + "\n", encoding="utf-8", newline="\n")
    return Simulated(movie, table, facts, None, len(scene), log)


def write_movie(
    scene: Scene,
    path: Path,
    *,
    codec: Codec,
    quality: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Encode every frame, in order."""
    if codec == "tiff16":
        _write_tiff(scene, path, progress)
    else:
        _write_video(scene, path, codec, quality, progress)


def _write_tiff(scene: Scene, path: Path, progress: Callable[[int, int], None] | None) -> None:
    import tifffile

    with tifffile.TiffWriter(path) as stack:
        for i in range(len(scene)):
            grey = scene.frame(i)
            deep = grey if grey.dtype == np.uint16 else grey.astype(np.uint16) * 257
            stack.write(deep, contiguous=True, photometric="minisblack")
            if progress:
                progress(i + 1, len(scene))


def _write_video(
    scene: Scene,
    path: Path,
    codec: Codec,
    quality: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    import av

    rate = Fraction(file_rate_fps(scene)).limit_denominator(100000)
    deep = scene.setup.bits == 16
    name, pixels = {
        "mjpeg": ("mjpeg", "yuvj420p"),
        "ffv1": ("ffv1", "gray16le" if deep else "gray"),
        "raw": ("rawvideo", "gray"),
    }[codec]
    rows, columns = scene.layout.shape_px
    if codec == "mjpeg" and (rows % 2 or columns % 2):
        raise ConfigError("simulate: mjpeg needs an even number of rows and columns")
    with av.open(str(path), "w", format="avi") as container:
        container.flags |= 0x400  # bit-exact: no writer's version in the file
        stream: Any = container.add_stream(name, rate=rate)
        stream.width, stream.height, stream.pix_fmt = columns, rows, pixels
        stream.codec_context.thread_count = 1
        if codec == "mjpeg":
            stream.codec_context.qmin = stream.codec_context.qmax = quality
        for i in range(len(scene)):
            frame = _video_frame(av, scene.frame(i), pixels)
            frame.pts = i
            container.mux(stream.encode(frame))
            if progress:
                progress(i + 1, len(scene))
        container.mux(stream.encode())


def file_rate_fps(scene: Scene) -> float:
    """Return the rate in the file: slow recordings are played faster than they were taken."""
    rate = 1 / scene.setup.frame_interval_s
    return rate if rate >= 1 else 10.0


def _video_frame(av: Any, grey: Any, pixels: str) -> Any:
    if pixels != "yuvj420p":
        return av.VideoFrame.from_ndarray(grey, format=pixels)
    rows, columns = grey.shape
    planes = np.full((rows * 3 // 2, columns), 128, dtype=np.uint8)
    planes[:rows] = grey
    return av.VideoFrame.from_ndarray(planes, format="yuvj420p")


def _write_rows(scene: Scene, path: Path) -> None:
    rows = [scene.truth(i) for i in range(len(scene))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name, "")) for name in names] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{float(value):.9g}"
    return value


def _truth(scene: Scene) -> dict[str, Any]:
    return {
        "conventions": CONVENTIONS,
        "constants": scene.constants | {"file_rate_fps": file_rate_fps(scene)},
        "setup": asdict(scene.setup),
        "physics": asdict(scene.physics),
        "accidents": asdict(scene.accidents),
    }


def _plain(value: Any) -> Any:
    """Return what JSON can hold: null for what is missing."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "infinite"
    return value


def _write_log(scene: Scene, path: Path) -> Path | None:
    table = getattr(scene.story, "log", None)
    if table is None:
        return None
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(
            [_cell(value) for value in row] for row in zip(*table.values(), strict=True)
        )
    return path


def experiment_text(scene: Scene, movie: str, log: str | None = None) -> str:
    """Return the experiment file of a scene."""
    setup, known = scene.setup, scene.constants
    file = tomlkit.document()
    file["movie"] = tomlkit.string(movie, literal=True)
    file["mode"] = scene.scenario.mode
    if setup.polarity != "dark":
        file["polarity"] = setup.polarity
    file["axis_deg"] = round(float(known["axis_deg"]), 3)
    file["calibration"] = {
        "scale_nm_per_px": setup.scale_nm_per_px,
        "u_scale_nm_per_px": round(0.01 * setup.scale_nm_per_px, 6),
        "frame_interval_s": setup.frame_interval_s,
    }
    if scene.scenario.mode != "growth":
        stiffness = float(known["stiffness_N_per_m"])
        file["cantilever"] = {
            "stiffness_N_per_m": stiffness,
            "u_stiffness_N_per_m": round(0.1 * stiffness, 6),
        }
    for name in ("bar", "tip", "specimen", "base"):
        if name in known["boxes_px"]:
            file[name] = _target(scene, name)
    if log:
        file["log"] = {"file": log} | scene.constants["log"]
    return tomlkit.dumps(file)


def _target(scene: Scene, name: str) -> dict[str, Any]:
    table: dict[str, Any] = {"box_px": list(scene.constants["boxes_px"][name])}
    if name == "tip":
        table["point_px"] = [round(n, 2) for n in scene.constants["points_px"]["tip"]]
    if name == "specimen":
        table["shape"] = scene.scenario.shape
        table["material"] = scene.scenario.material
    return table
