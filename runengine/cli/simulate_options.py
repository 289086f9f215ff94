"""What the options of `runengine simulate` say: numbers with units, changes of a scenario, faults by names."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from json import dumps
from typing import Any, Final

from attrs import frozen

from runengine.errors import RunEngineError
from runengine.simulation import Scenario, load_scenario, read_scenario, write_scenario
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.schema import plain

__all__ = ["Faults", "Misuse", "changed", "faults", "large_number", "refuse_mixtures", "scenario_of"]

_UNITS: Final[dict[str, int]] = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_RATE: Final = 0.01

_WRITTEN: Final = ("to", "order", "bare", "columns", "faults", "truth", "chunk", "first")
"""Options of what is written."""

_SIMULATED: Final = ("output", "set", "list", "show", "scenario", "runs", "dialect", "generation", "view", *_WRITTEN)
"""Options that a driven world does not have."""

_DRIVEN: Final = ("seeds", "store", "steps", "trace", "workers")
"""Options that only a driven world has."""

_WITHOUT: Final = re.compile(r"steps\.\w+\.\w+\.share=0")


class Misuse(RunEngineError):
    """Options that do not go together."""


def refuse_mixtures(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        Misuse: the first of them is named.
    """
    given = {name for name, value in vars(arguments).items() if value is not None and value is not False}
    for name in _SIMULATED if arguments.drive else _DRIVEN:
        if name in given:
            raise Misuse(f"--{name} {'does not go' if arguments.drive else 'goes'} with --drive")
    if arguments.list and "output" in given:
        raise Misuse("--output does not go with --list")
    for name in () if arguments.output or arguments.list or arguments.show or arguments.drive else _WRITTEN:
        if name in given:
            raise Misuse(f"--{name} is of what is written: give -o OUT")


def large_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers as 1000, 1_000, 1k or 10M.

    Args:
        least: The smallest.
        most: The largest.

    Example:
        >>> [large_number(1, 10**9)(text) for text in ("7", "1_000", "2k", "1.5M")]
        [7, 1000, 2000, 1500000]
    """

    def read(text: str) -> int:
        found = re.fullmatch(r"(\d{1,19}(?:_\d{1,18}){0,6}(?:\.\d{1,9})?)([kMG]?)", text, re.ASCII)
        if found is not None:
            whole, _, part = found[1].replace("_", "").partition(".")
            number, rest = divmod(int(whole + part) * _UNITS[found[2]], int(10 ** len(part)))
            if not rest and least <= number <= most:
                return number
        said = f"expected a whole number from {least:,} to {most:,}, as 1000, 1_000, 1k or 1M"
        raise argparse.ArgumentTypeError(f"{said}; got {text[:40]!r}")

    return read


@frozen
class Faults:
    """What `--faults` says.

    Attributes:
        rate: The share of runs that are broken.
        kinds: Words that name faults.
    """

    rate: float
    kinds: tuple[str, ...]

    def chosen(self, view: str, *, framed: bool) -> tuple[str, ...]:
        """The names of the faults that are meant, of those that can be made.

        Args:
            view: In this view.
            framed: Whether the framing of event streams is written, which some of them are made in.

        Raises:
            ValueError: a word names none, or none of them can be made there.
        """
        from runengine.simulation.faults import FAULTS, kinds_of

        try:
            named = kinds_of("+".join(self.kinds))
        except ValueError as error:
            said, _, hint = str(error).partition("; ")
            near = hint.startswith("did you mean")
            raise ValueError(f"{said}; {hint if near else '`runengine simulate --list faults` shows them'}") from None
        fit = tuple(name for name in named if view in FAULTS[name].views)
        if fit and not framed and not (fit := tuple(name for name in fit if not FAULTS[name].framed)):
            raise ValueError("these are made in the framing of event streams: write .sse")
        if not fit:
            views = dict.fromkeys(other for name in named for other in FAULTS[name].views)
            raise ValueError(f"none of these can be made with --view {view}; they can with {', '.join(views)}")
        return fit


def faults(text: str) -> Faults:
    """What `rate=0.01,kinds=a+b` says; each part may be left out.

    Example:
        >>> faults("rate=0.05,kinds=lost-stamp+RE2*")
        Faults(rate=0.05, kinds=('lost-stamp', 'RE2*'))
    """
    rate = _RATE
    kinds: tuple[str, ...] = ("all",)
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if name == "rate" and equals:
            try:
                rate = float(value)
            except ValueError:
                rate = -1
            if not 0 < rate <= 1:
                raise argparse.ArgumentTypeError(f"rate: expected a share above 0, at most 1; got {value!r}")
        elif name == "kinds" and value.strip("+"):
            kinds = tuple(word for word in value.split("+") if word)
        else:
            raise argparse.ArgumentTypeError(f"expected rate=0.01,kinds=NAME+NAME; got {part!r}")
    return Faults(rate, kinds)


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """The scenario that is asked for, with what is changed of it.

    Raises:
        ScenarioInvalid: there is none of that name, or it is not valid so.
    """
    given: list[str] = list(arguments.set or ())
    options = ["--set"] if given else []
    for name in ("dialect", "generation"):
        if (value := getattr(arguments, name)) is not None:
            given.append(f"{name}={dumps(value)}")
            options.append(f"--{name}")
    return changed(load_scenario(arguments.scenario), given, " and ".join(options))


def changed(scenario: Scenario, changes: Sequence[str], options: str = "--set") -> Scenario:
    """A scenario with other values.

    Args:
        scenario: The scenario.
        changes: Each as `arrival.rate_per_s=5`: the place of a key, and a TOML value, or a word.
        options: The options that say so, as errors name them.

    Raises:
        ScenarioInvalid: a change has no such form, or the scenario is not valid with it.

    Example:
        >>> changed(load_scenario("steady"), ["arrival.rate_per_s=5", "threads.runs=[1]"]).arrival.rate_per_s
        5
    """
    if not changes:
        return scenario
    document: dict[str, Any] = tomllib.loads(write_scenario(scenario))
    document.setdefault("assistants", plain(scenario.assistants))
    for change in changes:
        place, equals, value = change.partition("=")
        if not equals or not place.strip():
            raise ScenarioInvalid("--set", (f"expected KEY=VALUE, as arrival.rate_per_s=5; got {change!r}",))
        _put(document, place.strip(), _value(value.strip()))
    text = "\n".join(f"{dumps(key)} = {_inline(value)}" for key, value in document.items())
    try:
        return read_scenario(text, f"{scenario.name} with {options}")
    except ScenarioInvalid as error:
        problems = tuple(_WITHOUT.sub(r"--set \g<0>", problem) for problem in error.problems)
        raise ScenarioInvalid(error.source, problems) from None


def _value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text


def _put(document: dict[str, Any], place: str, value: Any) -> None:
    here: Any = document
    *parents, last = place.split(".")
    for name in parents:
        here = _element(here, name, place) if isinstance(here, list) else here.setdefault(name, {})
        if not isinstance(here, (dict, list)):
            raise ScenarioInvalid("--set", (f"{place}: {name} has no keys",))
    if isinstance(here, list):
        _element(here, last, place)
        here[int(last)] = value
    else:
        here[last] = value


def _element(here: list[Any], name: str, place: str) -> Any:
    if not name.isascii() or not name.isdigit() or int(name) >= len(here):
        raise ScenarioInvalid("--set", (f"{place}: {_numbered(here)}; got {name}",))
    return here[int(name)]


def _numbered(here: list[Any]) -> str:
    if len(here) == 1:
        return "there is one of them, number 0"
    return f"there are {len(here)} of them, numbers 0 to {len(here) - 1}" if here else "there are none of them"


def _inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{dumps(key)} = {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return value.isoformat() if isinstance(value, (date, time)) else "true" if value is True else str(value).lower()
