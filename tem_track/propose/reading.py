"""The label of a scale bar, read with the optional extra `ocr`, whose models are in its package."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from tem_track.propose.glance import Glance
from tem_track.propose.proposal import ScaleBar
from tem_track.records import Box

__all__ = ["length_in_nm", "read_label"]

_UNITS_NM = {
    "pm": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "nm": 1.0,
    "um": 1e3,
    "μm": 1e3,
    "µm": 1e3,
    "pum": 1e3,
    "mm": 1e6,
}
_LENGTH = re.compile(r"(\d+(?:[.,]\d+)?)\s*(pm|nm|um|μm|µm|mm|å)(?![a-z])", re.IGNORECASE)

LEAST_SURE = 0.7
"""Confidence that the reader of a label gives, from which on its length is proposed."""


def length_in_nm(text: str) -> float | None:
    """Return the length that a text such as '200 nm' or '0,5 µm' states."""
    found = _LENGTH.search(text.replace("O", "0"))
    if found is None:
        return None
    value = float(found.group(1).replace(",", ".")) * _UNITS_NM[found.group(2).lower()]
    return value if value > 0 else None


def read_label(bar: ScaleBar, labels: tuple[Box, ...], glance: Glance) -> ScaleBar:
    """Return the bar with what is written beside it, where the extra is installed."""
    reader = _reader()
    if reader is None:
        return bar
    near = sorted(labels, key=lambda label: _distance(label, bar.box))
    for box in (*near, _surroundings(bar.box, glance)):
        text, sure = _read(reader, _enlarged(box, bar.box, glance))
        length_nm = length_in_nm(text)
        if length_nm is not None and sure >= LEAST_SURE:
            return replace(bar, label=text.strip(), length_nm=length_nm)
    return bar


def _reader() -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        return None
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def _surroundings(bar: Box, glance: Glance) -> Box:
    """Return the bar with room for a line above, below and beside it.

    Thin letters may be missed where written pixels are looked for.
    """
    rows, columns = glance.size_px
    high, wide = 0.06 * rows, 0.4 * bar.width_px
    x0, y0 = max(bar.x_px - wide, 0), max(bar.y_px - high, 0)
    x1 = min(bar.x_px + bar.width_px + wide, columns)
    y1 = min(bar.y_px + bar.height_px + high, rows)
    return Box(x0, y0, x1 - x0, y1 - y0)


def _distance(box: Box, bar: Box) -> float:
    (x0, y0), (x1, y1) = box.centre_px, bar.centre_px
    return float(np.hypot(x0 - x1, y0 - y1))


def _enlarged(box: Box, bar: Box, glance: Glance) -> Any:
    """Return the label from the mean picture, dark on bright, large enough to be read."""
    margin = 6
    x0, y0 = max(int(box.x_px) - margin, 0), max(int(box.y_px) - margin, 0)
    x1, y1 = int(box.x_px + box.width_px) + margin, int(box.y_px + box.height_px) + margin
    crop = glance.mean[y0:y1, x0:x1].copy()
    bx, by = int(bar.x_px) - x0, int(bar.y_px) - y0
    usual = float(np.median(crop))
    ink = float(
        np.median(
            glance.mean[
                int(bar.y_px + bar.height_px / 2),
                int(bar.x_px) + 2 : int(bar.x_px + bar.width_px) - 2,
            ]
        )
    )
    rows = slice(max(by - 2, 0), max(by + int(bar.height_px) + 2, 0))
    crop[rows, max(bx - 2, 0) : max(bx + int(bar.width_px) + 2, 0)] = usual
    share = np.clip((crop - usual) / (ink - usual if ink != usual else 1.0), 0, 1)
    grey = (255 * (1 - share)).astype(np.uint8)
    zoom = max(2, round(64 / max(box.height_px, 1)))
    large = cv2.resize(grey, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=(255,))
    return np.repeat(large[:, :, None], 3, axis=2)


def _read(reader: Any, picture: Any) -> tuple[str, float]:
    """Return the text that states a length, and the confidence of its least sure word.

    The number and its unit may be read as two words of a line.
    """
    lines, _ = reader(picture)
    words = [(text, float(sure)) for _, text, sure in lines or []]
    pairs = [(f"{a} {b}", min(sa, sb)) for (a, sa), (b, sb) in pairwise(words)]
    return next((one for one in (*words, *pairs) if length_in_nm(one[0]) is not None), ("", 0.0))
