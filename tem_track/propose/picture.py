"""The preview: what was found, drawn into the reference frame."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tem_track.propose.proposal import SURE, Proposal
from tem_track.records import Axis, Box, Image

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = ["preview"]

Colour = tuple[int, int, int]

_COLOURS: dict[str, Colour] = {
    "bar": (0, 114, 178),
    "tip": (0, 158, 115),
    "specimen": (213, 94, 0),
    "base": (204, 121, 167),
    "label": (130, 130, 130),
    "axis": (230, 159, 0),
}
"""Red, green, blue, after Okabe and Ito: colour-blind readers can tell them apart."""


def preview(proposal: Proposal, movie: Movie, path: str | Path) -> None:
    """Draw boxes, axis, scale bar and labels with their confidences, and write a PNG.

    Parameters
    ----------
    proposal : Proposal
    movie : Movie
    path : path
        Of the PNG.
    """
    canvas = _canvas(movie[proposal.reference].image)
    size = max(canvas.shape[:2]) / 768
    for box in proposal.labels:
        _draw_box(canvas, box, _COLOURS["label"], size)
    for part in proposal.parts:
        if part.box is not None:
            _draw_box(canvas, part.box, _COLOURS[part.name], size, dashed=part.confidence < SURE)
            _write(
                canvas, f"{part.name} {part.confidence:.2f}", part.box, _COLOURS[part.name], size
            )
    if proposal.axis.axis is not None and proposal.part("specimen").box is not None:
        _draw_axis(canvas, proposal.axis.axis, proposal.part("specimen").box, size)
    if proposal.scale_bar is not None:
        words = f"{proposal.scale_bar.length_px:.1f} px {proposal.scale_bar.label}"
        _write(canvas, words, proposal.scale_bar.box, _COLOURS["axis"], size)
    canvas = _legend(canvas, proposal, size)
    path = Path(path)
    done, data = cv2.imencode(".png", canvas[:, :, ::-1])
    assert done
    part_path = path.with_name(path.name + ".part")
    part_path.write_bytes(data.tobytes())
    part_path.replace(path)


def _canvas(image: Image) -> NDArray[np.uint8]:
    low, high = (float(v) for v in np.percentile(image, (0.2, 99.8)))
    grey = np.clip((image.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def _draw_box(
    canvas: NDArray[np.uint8], box: Box, colour: Colour, size: float, dashed: bool = False
) -> None:
    x0, y0 = round(box.x_px), round(box.y_px)
    x1, y1 = round(box.x_px + box.width_px) - 1, round(box.y_px + box.height_px) - 1
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    thick = max(1, round(2 * size))
    for (ax, ay), (bx, by) in pairwise(corners):
        parts = max(1, round(math.hypot(bx - ax, by - ay) / (10 * size))) if dashed else 1
        for i in range(0, parts, 2):
            start = (round(ax + (bx - ax) * i / parts), round(ay + (by - ay) * i / parts))
            end = (round(ax + (bx - ax) * (i + 1) / parts), round(ay + (by - ay) * (i + 1) / parts))
            cv2.line(canvas, start, end, colour, thick)


def _write(canvas: NDArray[np.uint8], words: str, box: Box, colour: Colour, size: float) -> None:
    below = box.y_px < 20 * size
    x = round(min(box.x_px + 3, canvas.shape[1] - 8 * len(words) * size))
    y = round(box.y_px + (box.height_px + 16 * size if below else -6 * size))
    y = round(min(max(y, 14 * size), canvas.shape[0] - 5))
    _text(canvas, words, (max(x, 2), y), colour, size)


def _text(
    canvas: NDArray[np.uint8], words: str, at: tuple[int, int], colour: Colour, size: float
) -> None:
    """Write on a plate of the colour, so that it can be read on any picture."""
    scale, thick = max(0.5 * size, 0.3), max(1, round(size))
    (width, height), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x, y = at
    cv2.rectangle(canvas, (x - 2, y - height - 3), (x + width + 2, y + below), colour, -1)
    cv2.putText(
        canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA
    )


def _draw_axis(canvas: NDArray[np.uint8], axis: Axis, box: Box | None, size: float) -> None:
    assert box is not None
    (cx, cy), (dx, dy) = box.centre_px, axis.along
    half = 0.4 * max(box.width_px, box.height_px)
    start = (round(cx - half * dx), round(cy - half * dy))
    end = (round(cx + half * dx), round(cy + half * dy))
    cv2.arrowedLine(
        canvas, start, end, _COLOURS["axis"], max(1, round(2 * size)), cv2.LINE_AA, 0, 0.06
    )


def _legend(canvas: NDArray[np.uint8], proposal: Proposal, size: float) -> NDArray[np.uint8]:
    """Return the picture with a strip of words under it."""
    words = "   ".join(_findings(proposal))
    strip = np.full((round(26 * size), canvas.shape[1], 3), 40, dtype=np.uint8)
    _text(strip, words, (round(6 * size), round(17 * size)), (40, 40, 40), 0.9 * size)
    return np.concatenate([canvas, strip])


def _findings(proposal: Proposal) -> list[str]:
    shape, axis = proposal.shape, proposal.axis
    out = [f"frame {proposal.reference}", proposal.mode]
    if shape.shape is not None:
        out.append(f"{shape.shape} {shape.confidence:.2f}")
    if axis.axis is not None:
        out.append(f"axis {axis.axis.angle_deg:.1f} deg {axis.confidence:.2f}")
    return out + [f"{name}: not found" for name in proposal.missing]
