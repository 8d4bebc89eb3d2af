"""Write the bundled movies with their truth, and one commented experiment file for each.

::

    python -m tem_track.simulate.samples [FOLDER]

FOLDER, by default the current one, receives `sample_frames/` and `configs/`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tem_track.simulate.building import build_scene
from tem_track.simulate.scene import Scene
from tem_track.simulate.writing import experiment_text, write_files

__all__ = ["SAMPLES", "Sample", "write_samples"]

_SMALL: dict[str, Any] = {
    "shape_px": (384, 320),
    "scale_nm_per_px": 4.0,
    "dose_e_per_px": 500.0,
    "camera_jitter_px": 0.4,
}
_QUALITY = 6
"""What keeps the bundled movies small: size, scale, dose; and MJPEG's quantiser."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A bundled movie: its scenario, its seed, what it shows, and what differs from the others."""

    scenario: str
    seed: int
    about: str
    frames: int = 60
    settings: dict[str, Any] = field(default_factory=dict)


SAMPLES: dict[str, Sample] = {
    "nanorod_compression": Sample(
        "rod_compression", 21, "A Na nanorod is pushed into the tip, yields, barrels, is unloaded."
    ),
    "nanorod_tension": Sample(
        "rod_tension", 22, "A Na nanorod that joins both sides is pulled, necks and breaks."
    ),
    "nanoparticle_compression": Sample(
        "sphere_compression", 23, "A Na sphere is flattened and unloaded."
    ),
    "pillar_compression": Sample(
        "pillar_compression", 24, "A strongly tapered Na2CO3 pillar is compressed and springs back."
    ),
    "hollow_sphere_compression": Sample(
        "hollow_sphere_compression", 25, "A hollow Na2CO3 sphere is flattened and unloaded."
    ),
    "growth": Sample(
        "growth", 26, "A Na ball nucleates and grows into a rod; its surface layer thickens."
    ),
    "approach": Sample(
        "approach", 27, "The counter electrode comes near the tip and never touches: no force."
    ),
}

_HEADER = """\
# {about}
# Simulated; what is true of every frame is in ../sample_frames/{name}.truth.csv and .truth.json.
# Boxes are [x, y, width, height] in pixels of the reference frame, drawn by hand: some pixels off.

"""

_COMMENTS = {
    "movie": "relative to this file",
    "mode": "compression | tension | growth",
    "axis_deg": "loading axis from straight up, clockwise; found from the movie if left out",
    "scale_nm_per_px": "from the microscope's calibration",
    "u_scale_nm_per_px": "standard uncertainty, common to all frames",
    "frame_interval_s": "replaces the movie's own clock",
    "stiffness_N_per_m": "of the cantilever",
    "u_stiffness_N_per_m": "standard uncertainty, common to all frames",
    "point_px": "the point of the tip that is read: its apex",
    "shape": "rod | particle | pillar | hollow_sphere",
    "material": "copied into the table",
    "file": "the electrical log",
    "offset_s": "log time + offset = movie time",
}
_TABLE_COMMENTS = {
    "[bar]": "the beam-blocking bar: the fixed reference",
    "[tip]": "the tip of the cantilever",
    "[specimen]": "with the gap and the ends of its neighbours",
    "[base]": "the counter electrode",
}


def commented(text: str, name: str, about: str) -> str:
    """Return an experiment file with a word on every line that needs one."""
    lines = []
    for line in text.splitlines():
        comment = _TABLE_COMMENTS.get(line) or _COMMENTS.get(line.split(" = ")[0])
        lines.append(f"{line:<44} # {comment}" if comment else line)
    return _HEADER.format(about=about, name=name) + "\n".join(lines) + "\n"


def write_samples(root: Path) -> list[Path]:
    """Write every sample below a folder and return the movies."""
    frames, configs = root / "sample_frames", root / "configs"
    for folder in (frames, configs):
        folder.mkdir(parents=True, exist_ok=True)
    movies = []
    for name, sample in SAMPLES.items():
        scene = _scene(sample)
        written = write_files(
            scene, frames / f"{name}.avi", frames / f"{name}.truth", quality=_QUALITY
        )
        log = f"../sample_frames/{written.log.name}" if written.log else None
        text = experiment_text(scene, f"../sample_frames/{name}.avi", log)
        config = configs / f"{name}.toml"
        config.write_text(commented(text, name, sample.about), encoding="utf-8", newline="\n")
        movies.append(written.movie)
    return movies


def _scene(sample: Sample) -> Scene:
    settings = _SMALL | sample.settings
    return build_scene(sample.scenario, seed=sample.seed, frames=sample.frames, **settings)


def main() -> None:
    """Write the samples into the folder named on the command line."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    for movie in write_samples(root):
        sys.stdout.write(f"{movie} {movie.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
