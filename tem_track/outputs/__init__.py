"""What a run leaves behind: tables, pictures, film, exports; and reading them back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tem_track.analysis import Progress, Result
from tem_track.outputs.curves import write_curves
from tem_track.outputs.montage import write_montage
from tem_track.outputs.overlay import write_overlay
from tem_track.outputs.provenance import write_provenance
from tem_track.outputs.tables import read_results, write_tables
from tem_track.outputs.words import summary_rows

if TYPE_CHECKING:
    from tem_track.frames import Movie

__all__ = [
    "read_results",
    "summary_rows",
    "write_curves",
    "write_montage",
    "write_overlay",
    "write_pictures",
    "write_provenance",
    "write_tables",
]


def write_pictures(
    result: Result, movie: Movie, folder: Path, *, progress: Progress | None = None
) -> None:
    """Write overlay.mp4, montage.png, montage.pdf and curves.png, .pdf, .svg."""
    write_curves(result, [folder / f"curves.{kind}" for kind in ("png", "pdf", "svg")])
    write_montage(result, movie, [folder / f"montage.{kind}" for kind in ("png", "pdf")])
    write_overlay(result, movie, folder / "overlay.mp4", progress)


# NOTE FROM THE LEAD (remove when done): cli.py and run.py now call, besides what is here,
#   write_pictures(result, movie, folder, *, progress, frames=None)   frames: the montage's, by hand
#   note_recalculation(provenance_path, *, command)                   adds a dated entry to provenance.json
#   export(result, format, output: Path | None, *, folder: Path) -> Path written
#   write_table([(folder, result), ...], path), write_plot([(folder, result), ...], path)
# summary has `measurement_warnings` (a part of `warnings`). After `recalculate` the pictures are stale
# until `tem-track report`. An independent examiner's findings come to /tmp/examiner/findings.md.
