"""`[tool.runengine]` of a project's pyproject.toml: how its recordings are checked where the command line says nothing.

Source: DESIGN §5. The nearest pyproject.toml that has the table counts, from the working directory upwards.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from runengine.core.generations import GENERATIONS, generation_named
from runengine.core.table import POLICIES
from runengine.errors import RunEngineError
from runengine.validation.catalogue import RULES, families
from runengine.validation.findings import SEVERITIES

__all__ = ["PYPROJECT", "Settings", "SettingsInvalid", "is_ignored", "read_settings", "settings_from"]

PYPROJECT: Final = "pyproject.toml"
"""Name of the file."""

_TABLE: Final = "tool.runengine"
_FORGET_MAX: Final = 1_000_000_000


class SettingsInvalid(RunEngineError, ValueError):
    """The settings of a project cannot be read. Its text is one line that a terminal may print.

    Attributes:
        file: The pyproject.toml.
        key: The key at fault, as `tool.runengine.policy`, or None where the file is no TOML.
        problem: What is wrong and what would have been right.

    Example:
        >>> str(SettingsInvalid("pyproject.toml", "tool.runengine.skew", "expected seconds >= 0, got -1"))
        'pyproject.toml: tool.runengine.skew: expected seconds >= 0, got -1'
    """

    def __init__(self, file: str, key: str | None, problem: str) -> None:
        super().__init__(file, key, problem)
        self.file = file
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.file, self.key, self.problem) if part is not None)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@frozen(kw_only=True)
class Settings:
    """What a project says; None and nothing where it is silent.

    Attributes:
        file: Where it is said, or None.
        policy: Name of a policy.
        generation: Number of a generation of the schema.
        sampling: auto, complete or polled.
        select: Codes, or beginnings of codes, of the only rules to report.
        ignore: Those not to report.
        fail_on: The least severity that fails.
        baseline: File of known findings, from the folder of the settings.
        skew: How far clocks may differ, seconds.
        forget_after: For how many items of the recording a run that has ended is remembered.
        per_path_ignores: Patterns of paths, from the folder of the settings, and the codes not reported there.

    Example:
        >>> Settings().policy is None
        True
    """

    file: str | None = None
    policy: str | None = None
    generation: int | None = None
    sampling: str | None = None
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: str | None = None
    baseline: str | None = None
    skew: float | None = None
    forget_after: int | None = None
    per_path_ignores: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())


def read_settings(folder: str | os.PathLike[str] = ".") -> Settings:
    r"""Settings of the project that a folder is in; none where no pyproject.toml has any.

    Args:
        folder: Where to look, and upwards from there.

    Raises:
        SettingsInvalid: a file cannot be read, or a setting is none that there is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "pyproject.toml").write_text("[tool.runengine]\nskew = 5")
        ...     read_settings(folder).skew
        5.0
    """
    here = Path(folder).absolute()
    for place in (here, *here.parents):
        file = place / PYPROJECT
        if not file.is_file():
            continue
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsInvalid(_near(file), None, f"cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            problem = f"not TOML: {error}; --no-settings goes without it"
            raise SettingsInvalid(_near(file), None, problem) from None
        tool = document.get("tool")
        if isinstance(tool, dict) and "runengine" in tool:
            return settings_from(tool["runengine"], _near(file))
    return Settings()


def settings_from(table: Any, file: str = PYPROJECT) -> Settings:
    """Settings from the table, as TOML gives it.

    Args:
        table: The table.
        file: Where it stands.

    Raises:
        SettingsInvalid: a key is unknown, or holds what it cannot.

    Example:
        >>> settings_from({"fail-on": "warning", "per-path-ignores": {"old/*": ["RE205"]}}).per_path_ignores
        (('old/*', ('RE205',)),)
    """
    if not isinstance(table, dict):
        raise SettingsInvalid(file, _TABLE, f"expected a table, got {_shown(table)}")
    read: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _READERS:
            near = get_close_matches(key[:80], _READERS, n=1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(_READERS)}"
            raise SettingsInvalid(file, f"{_TABLE}.{key[:80]}", f"no such setting; {known}")
        try:
            read[key.replace("-", "_")] = _READERS[key](value)
        except ValueError as error:
            raise SettingsInvalid(file, f"{_TABLE}.{key}", str(error)) from None
    return Settings(file=file, **read)


def is_ignored(settings: Settings, path: str, code: str) -> bool:
    """Whether a rule's findings are not reported of a recording.

    A pattern is of the whole path from the folder of the settings, or of the file's name; `*` takes any characters,
    `/` among them.

    Args:
        settings: With their `per_path_ignores`.
        path: The recording.
        code: The rule.

    Example:
        >>> old = settings_from({"per-path-ignores": {"old/*.jsonl": ["RE2"]}})
        >>> is_ignored(old, "old/2023/a.jsonl", "RE205"), is_ignored(old, "new/a.jsonl", "RE205")
        (True, False)
    """
    if not settings.per_path_ignores or not path:
        return False
    folder = os.path.dirname(os.path.abspath(settings.file or PYPROJECT))  # noqa: PTH100, PTH120 - of text
    below = os.path.relpath(os.path.abspath(path), folder).replace(os.sep, "/")  # noqa: PTH100 - of text
    name = below.rpartition("/")[2]
    return any(
        code.startswith(codes) and (fnmatchcase(below, pattern) or fnmatchcase(name, pattern))
        for pattern, codes in settings.per_path_ignores
    )


def _near(file: Path) -> str:
    """The file as it is seen from here."""
    return os.path.relpath(file)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _one_of(words: Iterable[str]) -> Callable[[Any], str]:
    known = tuple(words)

    def read(value: Any) -> str:
        if value not in known or not isinstance(value, str):
            near = get_close_matches(value[:80], known, n=1) if isinstance(value, str) else []
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"expected {', '.join(known)}, got {_shown(value)}{hint}")
        return value

    return read


def _generation(value: Any) -> int:
    if not isinstance(value, str):
        expected = f'"{GENERATIONS[0].name}" to "{GENERATIONS[-1].name}"'
        raise ValueError(f"expected {expected}, got {_shown(value)}")
    return generation_named(value).number


def _codes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise ValueError(f'expected an array of codes, as ["RE1", "RE205"], got {_shown(value)}')
    codes = tuple(code.strip().upper() for code in value)
    for code in codes:
        if not code or not any(known.startswith(code) for known in RULES):
            raise ValueError(f"no rule begins with {_shown(code)}; there are {families()}")
    return codes


def _file(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"expected the name of a file, got {_shown(value)}")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"expected seconds >= 0, got {_shown(value)}")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _FORGET_MAX:
        raise ValueError(f"expected a whole number from 0 to {_FORGET_MAX:,}, got {_shown(value)}")
    return value


def _ignores(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise ValueError(f'expected a table of codes by pattern, as {{"old/*" = ["RE205"]}}, got {_shown(value)}')
    read = []
    for pattern, codes in value.items():
        try:
            read.append((pattern, _codes(codes)))
        except ValueError as error:
            raise ValueError(f"{_shown(pattern)}: {error}") from None
    return tuple(read)


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "policy": _one_of(POLICIES),
    "generation": _generation,
    "sampling": _one_of(("auto", "complete", "polled")),
    "select": _codes,
    "ignore": _codes,
    "fail-on": _one_of(SEVERITIES),
    "baseline": _file,
    "skew": _seconds,
    "forget-after": _count,
    "per-path-ignores": _ignores,
}
