"""The guide's examples are run, in the reader's order, in one folder; their answers are compared.

A block `console` holds commands behind a `$` and what they print, `...` standing for anything; a
line `(exit status N)` is the status of the command before it. A block `toml` with a caption is that
file. A block `python` is run. Blocks `text` are only shown.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tem_track import cli, load_experiment

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = (
    "first_movie",
    "reading_results",
    "uncertainty",
    "shapes",
    "growth",
    "batches",
    "troubleshooting",
)
BLOCK = re.compile(
    r"^```(?:\{code-block\} )?(\w+)\n(?::caption: (\S+)\n\n)?(.*?)^```$", re.M | re.S
)

pytestmark = pytest.mark.filterwarnings("default")


@dataclass(frozen=True)
class Command:
    line: str
    printed: tuple[str, ...]
    status: int


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Return language, file name and text of a page's blocks."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    return [(m[1], m[2] or "", m[3]) for m in BLOCK.finditer(text)]


def commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        line, *rest = part.splitlines()
        status = 0
        if rest and (found := re.fullmatch(r"\(exit status (\d+)\)", rest[-1])):
            status = int(found[1])
            rest.pop()
        yield Command(line, tuple(rest), status)


def pattern(printed: tuple[str, ...]) -> re.Pattern[str]:
    """Return what the output must hold: the lines in their order, any white space between words."""
    words = " ".join(printed).split()
    pieces = [".*?".join(map(re.escape, word.split("..."))) for word in words]
    return re.compile(r"\s+".join(pieces).replace(r"\s+.*?\s+", r"\s.*?\s"), re.S)


def run(command: Command) -> None:
    out = io.StringIO()
    program, *arguments = shlex.split(command.line)
    assert program == "tem-track"
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = cli.status_of(arguments)
    said = out.getvalue()
    assert status == command.status, said
    assert pattern(command.printed).search(said), f"{command.printed} is not in:\n{said}"


def test_every_page_is_run() -> None:
    assert {path.stem for path in GUIDE.glob("*.md")} == set(PAGES)


def test_a_wrong_answer_would_be_found() -> None:
    assert pattern(("a  1", "...", "b 2")).search("a 1\nmore\n b   2")
    assert not pattern(("a 1", "...", "b 2")).search("a 1 c 2")
    assert not pattern(("a 1", "b 2")).search("a 1 more b 2")


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    for page in PAGES:
        names: dict[str, Any] = {"__name__": page}
        for language, file, text in blocks(page):
            if language == "console":
                for command in commands(text):
                    run(command)
            elif language == "python":
                exec(compile(text, f"{page}.md", "exec"), names)
            elif language == "toml" and file:
                Path(file).write_text(text, encoding="utf-8")
                load_experiment(Path(file))
