"""The house as the documentation draws it: imports, units in names, parameters as documented."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

import tem_track
from tem_track import records

PACKAGE = Path(tem_track.__file__).parent

LAYERS = [
    {"cli", "__main__"},
    {"batch", "mending"},
    {"parts", "recalculation"},
    {"run"},
    {"pages"},
    {"outputs"},
    {"propose", "measuring"},
    {"analysis"},
    {"journal", "sample", "apart", "holding"},
    {"config", "columns", "tilt_series"},
    {"growth", "mechanics", "specimen", "tracking", "frames", "simulate"},
    {
        "records",
        "errors",
        "constants",
        "cores",
        "compiled",
        "door",
        "fingerprint",
        "processes",
        "reducing",
        "scores",
        "shapes",
        "__init__",
    },
]
LEVEL = {name: len(LAYERS) - i for i, names in enumerate(LAYERS) for name in names}
ALLOWED_BESIDE = {
    ("simulate", "frames"),
    ("__main__", "cli"),
    ("records", "errors"),
    ("reducing", "compiled"),
}


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_parts(source: str) -> set[str]:
    """Return the parts of tem_track that a module imports when it runs, lazily or not."""
    found: set[str] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            module = node.module or ""
            names = (
                [f"tem_track.{alias.name}" for alias in node.names]
                if module == "tem_track"
                else [module]
            )
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("tem_track.")}
    return found & set(LEVEL)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return  # the public door opens every part, lazily
    for other in imported_parts(path.read_text(encoding="utf-8")) - {part, "__init__"}:
        if (part, other) in ALLOWED_BESIDE:
            continue
        assert LEVEL[other] < LEVEL[part], f"{part} must not import {other}"


def test_an_upward_import_would_be_found() -> None:
    assert imported_parts("from tem_track.analysis import analyse") == {"analysis"}
    assert imported_parts("def f():\n    from tem_track import outputs") == {"outputs"}
    assert LEVEL["analysis"] > LEVEL["tracking"]


def test_every_part_stands_in_a_layer() -> None:
    assert {part_of(path) for path in modules()} <= set(LEVEL)


def test_only_batch_imports_dask() -> None:
    for path in modules():
        if "import dask" in (text := path.read_text(encoding="utf-8")) or "distributed" in {
            word for line in text.splitlines() if "import" in line for word in line.split()
        }:
            assert part_of(path) == "batch"


UNITS = (
    "_px", "_px2", "_px3", "_nm", "_nm2", "_nm3", "_um", "_s", "_deg", "_nN", "_MPa", "_GPa",
    "_N_per_m", "_nm_per_px", "_V", "_A", "_per_s", "_ratio", "_fraction", "_e_per_px",
)  # fmt: skip
DIMENSIONLESS = {"score"}


def record_types() -> list[type]:
    return [t for name in records.__all__ if dataclasses.is_dataclass(t := getattr(records, name))]


def fields_without_unit(record: type) -> list[str]:
    return [
        f.name
        for f in dataclasses.fields(record)
        if ("float" in str(f.type).lower())
        and "dict" not in str(f.type)
        and f.name not in DIMENSIONLESS
        and not f.name.endswith(UNITS)
    ]


@pytest.mark.parametrize("record", record_types(), ids=lambda r: r.__name__)
def test_float_fields_carry_their_unit(record: type) -> None:
    assert fields_without_unit(record) == []


def test_a_field_without_unit_would_be_found() -> None:
    @dataclasses.dataclass
    class Bad:
        length: float
        width_px: float

    assert fields_without_unit(Bad) == ["length"]


def test_public_names_exist() -> None:
    for name in tem_track.__all__:
        assert getattr(tem_track, name) is not None


@pytest.mark.parametrize("package", ["tem_track", "tem_track.frames", "tem_track.outputs"])
def test_every_name_behind_a_door_is_its_own(package: str) -> None:
    """A module called as a name would take its place once it is imported."""
    opened = importlib.import_module(package)
    folder = Path(str(opened.__file__)).parent
    for name in opened.__all__:
        assert not (folder / f"{name}.py").exists(), f"{package}.{name} is a module as well"
        assert not inspect.ismodule(getattr(opened, name))
    assert set(opened.__all__) <= set(dir(opened))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        opened.nothing  # noqa: B018


PARAMETERS = re.compile(r"Parameters\n-+\n(.*?)(?:\n\n[A-Z]\w+\n-+|\Z)", re.S)


def unknown_parameters(source: str) -> list[str]:
    """Return what docstrings call a parameter and the function does not take."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or not (text := ast.get_docstring(node)):
            continue
        taken = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        for lines in PARAMETERS.findall(text):
            heads = [line.split(" : ")[0] for line in lines.splitlines() if line[:1].strip()]
            names = {name.strip(" *") for head in heads for name in head.split(",")}
            found += [f"{node.name}: {name}" for name in sorted(names - taken)]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_documented_parameters_are_taken(path: Path) -> None:
    assert unknown_parameters(path.read_text(encoding="utf-8")) == []


def test_a_parameter_that_is_not_taken_would_be_found() -> None:
    text = "Parameters\n    ----------\n    a, b : int\n        Both."
    source = f'def f(a: int) -> None:\n    """Do.\n\n    {text}\n    """\n'
    assert unknown_parameters(source) == ["f: b"]
