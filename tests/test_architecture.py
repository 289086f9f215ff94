"""The house rules as tests: floors, owners, sizes, docstrings, fresh files."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runengine.cli.explain import PAGES

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "runengine"
MODULES = sorted(SOURCE.rglob("*.py"))
ALL_PYTHON = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]

FLOORS = {
    "errors": 0,
    "core": 1,
    "dialects": 2,
    "rendering": 2,
    "stores": 3,
    "embedding": 4,
    "validation": 4,
    "simulation": 5,
    "testing": 5,
    "cli": 6,
    "__main__": 7,
}
"""DESIGN §3; `runengine/__init__.py` itself may use floors 0 and 1 only."""

OWNERS = {
    "transitions": ("core/machine.py",),
    "cattrs": ("dialects/structuring.py",),
    "msgspec": ("dialects/wire.py",),
    "sqlalchemy": ("dialects/kotlin_sql/database.py",),
    "psycopg": ("stores/postgres/driver.py",),
    "psycopg_pool": ("stores/postgres/driver.py",),
    "opentelemetry": ("embedding/otel.py",),
    "rich": (
        "cli/demo.py",
        "cli/driving.py",
        "cli/explaining.py",
        "cli/fit.py",
        "cli/fit_tables.py",
        "cli/progress.py",
        "cli/runs.py",
        "cli/simulated.py",
        "cli/timeline.py",
        "validation/reports/profile_text.py",
        "validation/reports/text.py",
    ),
    "random": ("simulation/driving/chance.py",),
    "numpy": (
        "simulation/fitting/",
        "simulation/vectors/",
        "simulation/writing/arrow.py",
        "simulation/writing/parquet.py",
        "validation/bulk/",
        "validation/spark/",
    ),
    "scipy": ("simulation/fitting/", "simulation/vectors/tables.py"),
    "pyarrow": (
        "simulation/writing/arrow.py",
        "simulation/writing/parquet.py",
        "validation/bulk/",
        "validation/readers/tables.py",
        "validation/spark/",
    ),
    "pyspark": ("validation/spark/",),
    "yaml": ("validation/readers/yaml_events.py",),
    "zstandard": ("validation/readers/unpacking.py",),
    "zlib": ("validation/readers/unpacking.py",),
    "brotli": ("validation/readers/unpacking.py",),
    "pytest": ("testing/",),
    "matplotlib": ("simulation/fitting/plots.py",),
    "secrets": ("embedding/identity.py",),
    "time": ("embedding/clock.py", "stores/ticks.py"),
    "pickle": (),
    "sqlite3": ("stores/sqlite/driver.py",),
    "logging": ("embedding/observers.py", "embedding/worker.py", "simulation/driving/machines.py"),
}
"""Who may import what: one file reads the clock, one draws at random."""

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            if node.module == "runengine":
                yield from (f"runengine.{alias.name}" for alias in node.names)


def _room(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_go_down(path: Path) -> None:
    """A module imports from lower floors and its own room only."""
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    floor = FLOORS.get(room, 2)
    for dotted in _imports(path):
        if dotted == "runengine" or dotted.startswith("runengine."):
            target = _room(dotted)
            assert target in FLOORS, f"{path} imports {dotted}"
            assert target == room or FLOORS[target] < floor, f"{path} on floor {floor} imports {dotted}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_dependency_has_one_owner(path: Path) -> None:
    """A library, the clock and chance are imported by their owners alone."""
    for dotted in _imports(path):
        library = dotted.split(".")[0]
        if library in OWNERS:
            assert _name(path).startswith(OWNERS[library]), f"{path} imports {library}"


def test_every_owner_is_real() -> None:
    """An owner in the table imports what it owns."""
    for library, owners in OWNERS.items():
        for owner in owners:
            files = SOURCE.glob(f"{owner}*.py") if owner.endswith("/") else [SOURCE / owner]
            imported = {name.split(".")[0] for path in files for name in _imports(path)}
            assert library in imported, f"{owner}: {library}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_commands_and_reports_print(path: Path) -> None:
    """Printing, eval and exec have no place in the library."""
    called = (node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call))
    calls = {func.id for func in called if isinstance(func, ast.Name)}
    assert not calls & {"eval", "exec", "compile", "__import__"}
    assert "print" not in calls or path.relative_to(SOURCE).parts[0] == "cli"


@pytest.mark.parametrize("path", ALL_PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    """A function has at most 70 lines, a module at most 400."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MODULE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name}: {lines} lines"


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__main__.py"], ids=_name)
def test_public_names(path: Path) -> None:
    """A module's `__all__` is its public functions and classes, each with a docstring and, outside cli, an example."""
    module = importlib.import_module(_dotted(path))
    assert module.__doc__
    declared = getattr(module, "__all__", None)
    if path.name == "__init__.py":
        assert declared is None or len(set(declared)) == len(declared)
        return
    own = {
        node.name
        for node in _tree(path).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_")
    }
    assert declared is not None
    assert own <= set(declared)
    for name in sorted(own):
        thing = getattr(module, name)
        assert inspect.getdoc(thing), f"{name} has no docstring"
        is_protocol = getattr(thing, "_is_protocol", False)
        if "cli" not in path.parts and "Report" not in name and not is_protocol:
            assert ">>>" in (inspect.getdoc(thing) or ""), f"{path}: {name} has no example"
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if inspect.isfunction(value) and not member.startswith("_"):
                    assert inspect.getdoc(value), f"{name}.{member} has no docstring"


def test_the_package_names_are_sorted_and_real() -> None:
    """`runengine.__all__` is sorted, about a dozen names, each there."""
    package = importlib.import_module("runengine")
    assert package.__all__ == sorted(package.__all__)
    assert len(package.__all__) <= 15
    assert all(hasattr(package, name) for name in package.__all__)


def test_reference_pages_are_fresh() -> None:
    """A generated page is what its command writes."""
    for name, make in PAGES.items():
        page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
        assert page == make(), f"{name} is stale: runengine explain --all docs/reference"


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: str(p.relative_to(ROOT))
)
def test_documents_are_true(page: Path) -> None:
    """Examples in the documents run, and links between them lead somewhere."""
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert not failed
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_version_is_said_once() -> None:
    """The version of the command is the project's."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, flags=re.MULTILINE)
    assert version
    cli = (SOURCE / "cli" / "__init__.py").read_text(encoding="utf-8")
    assert "importlib.metadata" in cli or f'"{version[1]}"' in cli


def test_ci_runs_what_the_readme_says() -> None:
    """The README marks its two commands, and CI takes them from there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for mark in ("demo", "test"):
        assert readme.count(f"<!-- command: {mark} -->") == 1
        assert f"readme_command {mark}" in ci
