"""Where the real recordings lie: beside the repository, or where TEM_TRACK_DATA says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("TEM_TRACK_DATA", Path(__file__).parents[2] / "shared" / "data")
).resolve()


def recording(name: str) -> Path:
    """Return the folder of a recording; without it the test is skipped, under CI it fails."""
    path = FOLDER / name
    if not path.exists():
        reason = f"the recording {name} is not at {FOLDER}; set TEM_TRACK_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
