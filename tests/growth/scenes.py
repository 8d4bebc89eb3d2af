"""Simulated growth, outlined with the electrodes' places known: what the outlines can do alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tem_track import growth
from tem_track.columns import block_of, join
from tem_track.records import FloatArray, Frame, Match, Observation, Outline
from tem_track.simulate import build_scene
from tem_track.specimen import prepare_growth

__all__ = ["Grown", "grow"]


@dataclass(frozen=True, eq=False)
class Grown:
    """A movie that was outlined, beside its truth."""

    model: Any
    frames: list[Frame]
    matches: list[tuple[Match, Match]]
    outlines: list[Outline]
    truth: list[dict[str, Any]]
    measurement: dict[str, Any]
    scale_nm_per_px: float

    def true(self, name: str) -> FloatArray:
        """Return a column of the truth, in pixels where it ends in nm."""
        values = np.array([row.get(name, np.nan) for row in self.truth], dtype=float)
        return values / self.scale_nm_per_px if name.endswith("_nm") else values

    def found(self, name: str) -> FloatArray:
        """Return a column of the measurement."""
        return np.asarray(self.measurement[name], dtype=float)

    def evaluated(self, **columns: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return points and summary."""
        settings = growth.Settings(self.scale_nm_per_px, material="Na")
        return growth.evaluate(self.measurement | columns, settings)


@lru_cache(maxsize=4)
def grow(name: str, seed: int = 3, step: int = 3, **settings: Any) -> Grown:
    """Outline every so many frames of a scenario."""
    scene = build_scene(name, seed=seed, **settings)
    numbers = range(0, len(scene), step)
    truth = [scene.truth(i) for i in numbers]
    frames = [
        Frame(i, row["time_s"], scene.frame(i)) for i, row in zip(numbers, truth, strict=True)
    ]
    matches = [(_match(row, "tip"), _match(row, "base")) for row in truth]
    triples = [(f, t, b) for f, (t, b) in zip(frames, matches, strict=True)]
    model = prepare_growth(triples[0], triples, scene.boxes["specimen"], axis=scene.layout.axis)
    outlines = [model.outline(f.image, t, b) for f, t, b in triples]
    table = join([block_of(_observed(triples, outlines), ("tip", "base"), True)]).columns
    scale = float(scene.setup.scale_nm_per_px)
    return Grown(model, frames, matches, outlines, truth, table, scale)


def _match(row: dict[str, Any], name: str) -> Match:
    return Match(row[f"{name}_x_px"], row[f"{name}_y_px"], 1e-4, 0.0, 1e-4, 1.0)


def _observed(
    triples: Sequence[tuple[Frame, Match, Match]], outlines: Sequence[Outline]
) -> list[Observation]:
    return [
        Observation(f.index, f.time_s, True, str(f.index), tip=t, base=b, outline=o)
        for (f, t, b), o in zip(triples, outlines, strict=True)
    ]
