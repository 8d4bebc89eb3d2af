"""Movies whose truth is known: drawn physics, accidents, and what is true in every frame.

Assumptions and conventions are written into every `truth.json`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tem_track.simulate.scenarios import SCENARIOS, Scenario
from tem_track.simulate.settings import CODECS, Accidents, Codec, Physics, Setup, setting_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from tem_track.simulate.scene import Scene
    from tem_track.simulate.writing import Simulated

__all__ = [
    "CODECS",
    "SCENARIOS",
    "Accidents",
    "Codec",
    "Physics",
    "Scenario",
    "Setup",
    "build_scene",
    "setting_names",
    "simulate",
]


def build_scene(name: str, *, seed: int = 0, frames: int = 120, **settings: Any) -> Scene:
    """Return the scene of a scenario, drawn frame by frame in any order.

    Parameters
    ----------
    name : str
        One of `SCENARIOS`; hyphens and underscores are alike.
    seed : int
        Chooses everything that the settings leave open; the same seed gives the same bytes.
    frames : int
        Length of the movie.
    **settings
        Any field of `Setup`, `Physics` or `Accidents`; `dose`, `jitter` and `scale` are short for
        `dose_e_per_px`, `camera_jitter_px` and `scale_nm_per_px`.

    Returns
    -------
    Scene
        With `frame(i)` (grey values), `truth(i)` (a record), `constants` and `boxes`.

    Raises
    ------
    ConfigError
        For an unknown scenario or setting.
    """
    from tem_track.simulate.building import build_scene as build

    return build(name, seed=seed, frames=frames, **settings)


def simulate(
    name: str,
    *,
    output: str | Path,
    seed: int = 0,
    frames: int = 120,
    codec: Codec = "mjpeg",
    quality: int = 3,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Simulated:
    """Write a movie, its truth and an experiment file that runs as it stands.

    Parameters
    ----------
    name, seed, frames, **settings
        As for `build_scene`.
    output : str or Path
        Folder for `<name>.avi` (or `.tif`), `truth.csv`, `truth.json` and `experiment.toml`.
    codec : {'mjpeg', 'ffv1', 'raw', 'tiff16'}
    quality : int
        Quantiser of MJPEG, 2 (best) to 31.
    progress : callable, optional
        Called with (frames done, frames).

    Returns
    -------
    Simulated
        The paths that were written.

    Raises
    ------
    ConfigError
        For an unknown scenario, setting or codec.
    """
    from tem_track.simulate.writing import write_simulated

    scene = build_scene(name, seed=seed, frames=frames, **settings)
    return write_simulated(scene, Path(output), codec=codec, quality=quality, progress=progress)
