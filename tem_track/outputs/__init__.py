"""What a run leaves behind: tables, pictures, film, exports; and reading them back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tem_track.cores import give_back_memory
from tem_track.door import door

if TYPE_CHECKING:
    from tem_track.analysis import Progress, Result
    from tem_track.frames import Movie
    from tem_track.outputs.compare import write_plot, write_table
    from tem_track.outputs.curves import write_curves
    from tem_track.outputs.exporting import export
    from tem_track.outputs.montage import write_montage
    from tem_track.outputs.overlay import Watcher, write_overlay
    from tem_track.outputs.provenance import note_recalculation, write_provenance
    from tem_track.outputs.stale import remove_pictures
    from tem_track.outputs.tables import as_written, read_results, write_tables
    from tem_track.outputs.words import budget_rows, summary_rows
else:
    __getattr__, __dir__ = door(
        __name__,
        {
            "tem_track.outputs.compare": ("write_plot", "write_table"),
            "tem_track.outputs.curves": ("write_curves",),
            "tem_track.outputs.exporting": ("export",),
            "tem_track.outputs.montage": ("write_montage",),
            "tem_track.outputs.overlay": ("write_overlay",),
            "tem_track.outputs.provenance": ("note_recalculation", "write_provenance"),
            "tem_track.outputs.stale": ("remove_pictures",),
            "tem_track.outputs.tables": ("as_written", "read_results", "write_tables"),
            "tem_track.outputs.words": ("budget_rows", "summary_rows"),
        },
    )

__all__ = [
    "as_written",
    "budget_rows",
    "export",
    "note_recalculation",
    "read_results",
    "remove_pictures",
    "summary_rows",
    "write_curves",
    "write_montage",
    "write_overlay",
    "write_pictures",
    "write_plot",
    "write_provenance",
    "write_table",
    "write_tables",
]


def write_pictures(
    result: Result,
    movie: Movie,
    folder: Path,
    *,
    progress: Progress | None = None,
    frames: Sequence[int] | None = None,
    width_mm: float | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Write overlay.mp4, montage.png, .pdf and curves.png, .pdf, .svg into a results folder.

    Parameters
    ----------
    result : Result
    movie : Movie
    folder : Path
    progress : callable, optional
        Called as ``progress(stage, done, total)``.
    frames : sequence of int, optional
        The montage's frames, picked by hand.
    width_mm : float, optional
        Width of the curves on paper: 170 for two columns, the default, or 85 for one.
    watcher : callable, optional
        Called with every row and its frame as the film shows it.
    """
    from tem_track.outputs.curves import write_curves
    from tem_track.outputs.montage import write_montage
    from tem_track.outputs.overlay import write_overlay

    # The film first: its encoder and what draws the figures need most memory, and only the first
    # gives it back.
    write_overlay(result, movie, folder / "overlay.mp4", progress, watcher)
    give_back_memory()
    kinds = ("png", "pdf", "svg")
    write_curves(result, [folder / f"curves.{kind}" for kind in kinds], width_mm=width_mm)
    write_montage(result, movie, [folder / f"montage.{kind}" for kind in ("png", "pdf")], frames)
    give_back_memory()
