"""The shapes: one file and one class each, one line in the table of `tem_track.shapes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from tem_track.shapes import TABLE
from tem_track.specimen.body import Body

__all__ = ["SHAPES"]


class _Classes(Mapping[str, type[Body]]):
    """The table's classes by name, each loaded when it is first asked for."""

    def __getitem__(self, name: str) -> type[Body]:
        module, _, title = TABLE[name].where.partition(":")
        found: type[Body] = getattr(import_module(module), title)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)


SHAPES: Mapping[str, type[Body]] = _Classes()
