"""`runengine check --engine spark`: what it takes, and the way to the cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from runengine.validation import Violation
from runengine.validation.readers import AUTO
from runengine.validation.reports import FORMATS
from runengine.validation.spark import check_paths, is_remote
from runengine.validation.summary import Options, Summary

__all__ = ["SPARK", "add_spark_arguments", "found_by_spark", "misused_with_spark", "with_addresses"]

SPARK: Final = "spark"
"""What `--engine` calls it."""

_MASTER: Final = "local[*]"
_LOOKING: Final = ("html", "junit")


def add_spark_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this engine takes."""
    group = parser.add_argument_group("on a cluster (--engine spark; extra spark)")
    group.add_argument(
        "--master",
        metavar="URL",
        help=f"where Spark is: local[2], spark://…, yarn, k8s://…, or sc://… of Spark Connect ({_MASTER})",
    )
    group.add_argument(
        "--findings-to", metavar="DIR", help="write all findings as Parquet too, to a folder that is not there yet"
    )


def misused_with_spark(arguments: argparse.Namespace) -> str | None:
    """What does not go together with this engine, or without it; None where all does."""
    if arguments.engine != SPARK:
        given = "--master" if arguments.master is not None else "--findings-to"
        asked = arguments.master is not None or arguments.findings_to is not None
        return f"{given} is for --engine {SPARK}" if asked else None
    refused = {
        "--join": (arguments.join, "each file is a recording there; a DataFrame is checked by a column that orders it"),
        "--profile": (arguments.profile, "leave it out, or choose --engine bulk"),
        "--state": (arguments.state, "leave it out: files are checked whole there"),
        "--memory-max": (arguments.memory_max, "Spark's own settings say how much it takes"),
        "--reader": (arguments.reader not in (AUTO, "parquet"), "only Parquet is read there"),
        f"--format {arguments.format}": (arguments.format in _LOOKING, f"choose one of {', '.join(_formats())}"),
    }
    wrong = [f"{name} does not go with --engine {SPARK}: {why}" for name, (asked, why) in refused.items() if asked]
    return wrong[0] if wrong else None


def _formats() -> list[str]:
    return [name for name in FORMATS if name not in _LOOKING]


def with_addresses(arguments: argparse.Namespace, path: str) -> bool:
    """Whether a path is for Spark to expand and open."""
    return bool(arguments.engine == SPARK and is_remote(path))


def found_by_spark(
    given: Iterable[str],
    options: Options,
    arguments: argparse.Namespace,
    summary: Summary,
    passes: Callable[[Violation], bool] | None,
) -> Iterator[Violation]:
    """Check files on the cluster.

    Args:
        given: The files and addresses.
        options: What to hold them to.
        arguments: Of the command line.
        summary: Where is counted.
        passes: Whether a violation is to be counted and reported.
    """
    where = arguments.master or _MASTER
    found, _ = check_paths(
        list(given), options, where, findings_to=arguments.findings_to, passes=passes, summary=summary
    )
    yield from found
