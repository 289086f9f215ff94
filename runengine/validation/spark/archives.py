"""The check of files by their names: from the command line to a cluster, and back.

Every file is a recording of its own. Files whose columns are the same are checked together. A file that is no Parquet,
or that cannot be read, is left to the reader of its form, where this machine can open it. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import heapq
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pyarrow.parquet as pq
from attrs import define, field, frozen

from runengine.errors import MissingExtra, TraceUnreadable
from runengine.validation.bulk.coded import ARROW
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Unreadable
from runengine.validation.readers.inputs import items_in
from runengine.validation.spark.addresses import is_remote, plain_name_of
from runengine.validation.spark.evidence import COLUMNS, row_of
from runengine.validation.spark.frames import Checked, check_frame
from runengine.validation.summary import Options, Summary

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Archive", "check_paths", "session_of"]

_AT_ONCE: Final = 16
_FAILED: Final = re.compile(r"(?:reading|read) file:? +(\S+?)[.,]?\s")
_GLOB: Final = re.compile(r"[\\*?{}\[\]]")
_NO_SYSTEM: Final = ("No FileSystem for scheme", "UnsupportedFileSystem", "ClassNotFoundException")
_SAID: Final = 200


def session_of(master: str) -> SparkSession:
    """The session there is, else a new one.

    Args:
        master: `local[2]`, `spark://…`, `yarn`, `k8s://…`; or `sc://…`, of Spark Connect.

    Raises:
        MissingExtra: pyspark is not installed.
        TraceUnreadable: no session can be had there.

    Example:
        >>> session_of("local[2]").version  # doctest: +SKIP
        '4.3.0'
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingExtra("checking with Spark", "spark") from None
    try:
        if master.startswith("sc://"):
            return SparkSession.builder.remote(master).getOrCreate()
        builder = SparkSession.builder.master(master).appName("runengine check").config("spark.log.level", "ERROR")
        if master.startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            builder = builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "2g")
            builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        return builder.getOrCreate()
    except Exception as error:  # noqa: BLE001 - of Java, of the network, of Spark
        raise TraceUnreadable(master, 0, 0, f"no Spark there: {_said(error)}") from None


@frozen
class _File:
    """A file to check.

    Attributes:
        turn: Its turn among all.
        name: What it is called.
        address: What Spark is to open.
        known_as: What Spark calls it then, plainly.
    """

    turn: int
    name: str
    address: str
    known_as: str


@define(kw_only=True)
class Archive:
    """What a check of files came to.

    Attributes:
        summary: The counts.
        tables: What was checked together.
        others: What was said of files that were checked by themselves, by turn.

    Example:
        >>> list(Archive().violations())
        []
    """

    summary: Summary = field(factory=Summary)
    tables: list[Checked] = field(factory=list)
    others: list[tuple[int, Violation]] = field(factory=list)

    def violations(self) -> Iterator[Violation]:
        """The violations in order: recording, line, code."""
        several = [self.others, *(table.in_turn() for table in self.tables)]
        for _, violation in heapq.merge(*several, key=itemgetter(0)):
            yield violation


def check_paths(
    paths: Iterable[str],
    options: Options,
    master: str,
    *,
    findings_to: str | None = None,
    passes: Callable[[Violation], bool] | None = None,
    summary: Summary | None = None,
    partitions: int | None = None,
) -> tuple[Iterator[Violation], Summary]:
    """Check files with Spark.

    Args:
        paths: Files of this machine, as `expand` yields them, and addresses with a scheme, which may be globs.
        options: What to hold them to.
        master: Where Spark is.
        findings_to: A folder that is made, where findings are written as Parquet, all of them; or None.
        passes: Whether a violation is to be counted and reported, or is known already; all are when None.
        summary: Where is counted; a new one where None.
        partitions: Into how many partitions fragments and evidence go; as many as Spark finds fitting where None.

    Returns:
        The violations in order, and the counts; of violations, with `passes`, as far as they were asked for.

    Raises:
        MissingExtra: pyspark is not installed.
        TraceUnreadable: no session can be had; an address leads nowhere; or findings cannot be written.

    Example:
        >>> violations, summary = check_paths(["a.parquet"], Options(), "local[2]")  # doctest: +SKIP
        >>> summary.runs  # doctest: +SKIP
        2
    """
    spark = session_of(master)
    archive = Archive(summary=Summary() if summary is None else summary)
    checker = Checker(options)
    for files in _alike(spark, _listed(spark, paths), checker, archive):
        _check_together(spark, files, options, checker, archive, partitions)
    for table in archive.tables:
        _add(archive.summary, table.summary)
    _add(archive.summary, checker.summary)
    archive.others.sort(key=itemgetter(0))
    if findings_to is not None:
        _write(spark, archive, findings_to)
    if passes is None:
        return archive.violations(), archive.summary
    archive.summary.violations.clear()
    archive.summary.by_code.clear()
    return _passing(archive, passes), archive.summary


def _passing(archive: Archive, passes: Callable[[Violation], bool]) -> Iterator[Violation]:
    for violation in filter(passes, archive.violations()):
        archive.summary.violations[violation.severity] += 1
        archive.summary.by_code[violation.code] += 1
        yield violation


def _add(total: Summary, part: Summary) -> None:
    for name in ("runs", "observations", "threads", "passed", "companions", "unread"):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    for name in ("violations", "by_code", "statuses", "edges"):
        getattr(total, name).update(getattr(part, name))


def _listed(spark: SparkSession, paths: Iterable[str]) -> list[_File]:
    files: list[_File] = []
    for path in paths:
        if not is_remote(path):
            name = unquote(path.removeprefix("file://")) if path.startswith("file:") else path
            files.append(_File(len(files), name, _address(name), os.path.abspath(name)))  # noqa: PTH100 - of text
            continue
        try:
            found = spark.read.format("binaryFile").load(path).select("path").collect()
        except Exception as error:  # noqa: BLE001 - of Java, of a store, of Spark
            raise TraceUnreadable(path, 0, 0, _why(path, error)) from None
        files += [
            _File(len(files) + i, row[0], _literal(row[0]), plain_name_of(row[0]))
            for i, row in enumerate(sorted(found))
        ]
    return files


def _why(path: str, error: Exception) -> str:
    said = str(error)
    if any(sign in said for sign in _NO_SYSTEM):
        scheme = path.partition(":")[0]
        return f"this Spark has no file system for {scheme}: its jars are to be added, as spark.jars.packages says"
    return f"Spark cannot list it: {_said(error)}"


def _alike(
    spark: SparkSession, files: Sequence[_File], checker: Checker, archive: Archive
) -> Iterator[tuple[_File, ...]]:
    """Files whose columns are the same; those whose columns cannot be read are checked by themselves."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        columns = list(pool.map(lambda file: _columns(spark, file), files))
    groups: dict[str, list[_File]] = {}
    for file, schema in zip(files, columns, strict=True):
        if isinstance(schema, Exception):
            _check_alone(file, checker, archive, schema)
        else:
            groups.setdefault(schema, []).append(file)
    for group in groups.values():
        yield tuple(group)


def _columns(spark: SparkSession, file: _File) -> str | Exception:
    try:
        if is_remote(file.address):
            return spark.read.parquet(file.address).schema.json()
        return str(pq.read_schema(file.name).remove_metadata())
    except ARROW.broken as error:
        return error
    except Exception as error:  # noqa: BLE001 - of Java, of a store, of Spark
        return error


def _check_together(
    spark: SparkSession,
    files: tuple[_File, ...],
    options: Options,
    checker: Checker,
    archive: Archive,
    partitions: int | None,
) -> None:
    """Check files of the same columns; one at which Spark fails is checked by itself, and the rest without it."""
    left = list(files)
    while left:
        try:
            df = spark.read.parquet(*(file.address for file in left))
            archive.tables.append(check_frame(df, options, partitions=partitions, names=_by_name(left)))
            return
        except ValueError:
            bad = left[0]  # no column of these tables is for a run: the reader says so of each
        except Exception as error:
            broken = _named_in(str(error), left)
            if broken is None:
                raise
            bad = broken
            if is_remote(bad.address):
                _check_alone(bad, checker, archive, error)
                left.remove(bad)
                continue
        _check_alone(bad, checker, archive, None)
        left.remove(bad)


def _by_name(files: Iterable[_File]) -> dict[str, tuple[int, str]]:
    return {file.known_as: (file.turn, file.name) for file in files}


def _named_in(said: str, files: Iterable[_File]) -> _File | None:
    """The file that Spark says it failed at."""
    known = {file.known_as: file for file in files}
    for address in _FAILED.findall(said):
        file = known.get(plain_name_of(address.rstrip(".,")))
        if file is not None:
            return file
    return None


def _check_alone(file: _File, checker: Checker, archive: Archive, error: Exception | None) -> None:
    if is_remote(file.address):
        problem = f"Spark cannot read it: {_said(error) if error else 'no Parquet file of runs'}"
        items: Iterable[Any] = [Unreadable(line=0, problem=problem)]
    else:
        items = items_in(file.name)
    archive.others += [(file.turn, violation) for violation in checker.check(file.name, items)]


def _write(spark: SparkSession, archive: Archive, folder: str) -> None:
    """Findings as Parquet: recording, line and code in order."""
    frames: list[DataFrame] = [table.findings for table in archive.tables]
    if archive.others or not frames:
        frames.append(_frame_of(spark, [violation for _, violation in archive.others]))
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame)
    try:
        there = folder if is_remote(folder) else f"file://{os.path.abspath(folder)}"  # noqa: PTH100 - of text
        whole.orderBy("path", "line", "code").write.parquet(there)
    except Exception as error:  # noqa: BLE001 - of Java, of a store, of Spark
        raise TraceUnreadable(folder, 0, 0, f"findings cannot be written there: {_said(error)}") from None


def _frame_of(spark: SparkSession, violations: Sequence[Violation]) -> DataFrame:
    return spark.createDataFrame([row_of(violation) for violation in violations], COLUMNS)


def _address(path: str) -> str:
    """What Spark is to be given for a path: it takes names as they are, and signs of globs in them for such."""
    return path if is_remote(path) else "file://" + _literal(os.path.abspath(path))  # noqa: PTH100 - of text


def _literal(path: str) -> str:
    return _GLOB.sub(r"\\\g<0>", path)


def _said(error: Exception) -> str:
    """The first line of what a library says, short."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= _SAID else f"{text[: _SAID - 1]}…"
