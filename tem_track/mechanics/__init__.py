"""Pixels to nm, nN and MPa: equations, area models, events, properties, uncertainty."""

from __future__ import annotations

from tem_track.mechanics.areas import AREA_MODELS, area_model_names
from tem_track.mechanics.evaluate import Evaluation, evaluate
from tem_track.mechanics.settings import Settings

__all__ = ["AREA_MODELS", "Evaluation", "Settings", "area_model_names", "evaluate"]
