"""The pytest plugin: recordings as test items, and the fixture `assert_conforms`.

`pytest --runengine-cassettes=DIR` makes a test of every recording below DIR; it fails with the report of
`runengine check` where the recording does not conform. Where nobody asks for it, nothing of the checker is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from runengine.errors import RunEngineError

if TYPE_CHECKING:
    from runengine.core.table import Policy
    from runengine.testing.conforming import Standard
    from runengine.validation.findings import Severity
    from runengine.validation.observations import Sampling
    from runengine.validation.summary import Summary

__all__ = [
    "assert_conforms",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
]

_NAME: Final = "conforms"
_SEVERITIES: Final = ("error", "warning", "info")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, each also a setting of the ini file.

    Example:
        >>> # pytest --runengine-cassettes=tests/cassettes --runengine-policy=documented
    """
    group = parser.getgroup("runengine", "recorded runs (thread.run) against the rules")
    group.addoption(
        "--runengine-cassettes",
        action="append",
        default=[],
        metavar="DIR",
        help="make a test of every recording below DIR (or of one file); may be given several times",
    )
    group.addoption(
        "--runengine-policy", metavar="NAME", help="legal steps: documented, practical (default) or permissive"
    )
    group.addoption(
        "--runengine-fail-on", choices=_SEVERITIES, help="fail from this severity on: error (default), warning or info"
    )
    parser.addini("runengine_cassettes", "folders whose recordings are tests, relative to this file", type="paths")
    parser.addini("runengine_policy", "see --runengine-policy", default="")
    parser.addini("runengine_fail_on", "see --runengine-fail-on", default="")


class _Asked:
    """What was asked for.

    Attributes:
        files: The recordings, resolved, in order, each with whether it was found in a folder.
        all: Whether they are tests wherever pytest was told to look.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._standard: Standard | None = None
        start = config.invocation_params.dir
        given = [start / folder for folder in config.getoption("runengine_cassettes") or ()]
        folders = [*given, *config.getini("runengine_cassettes")]
        self.files: dict[Path, bool] = {}
        if folders:
            self.files = dict(_files(folders))
            assert self.standard
        self.all = _wants_all(config, given, folders)

    @property
    def standard(self) -> Standard:
        """What recordings are held to: options of pytest, then its settings, then `[tool.runengine]`."""
        if self._standard is None:
            from runengine.testing.conforming import standard_of

            policy, fail_on = (
                self._config.getoption(name) or self._config.getini(name) or None
                for name in ("runengine_policy", "runengine_fail_on")
            )
            try:
                self._standard = standard_of(self._config.rootpath).but(policy, None, fail_on)
            except (RunEngineError, ValueError) as error:
                raise pytest.UsageError(f"runengine: {error}") from None
        return self._standard


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    from runengine.validation.readers import Found, expand

    try:
        yield from ((Path(path).resolve(), isinstance(path, Found)) for path in expand(map(str, folders)))
    except RunEngineError as error:
        raise pytest.UsageError(f"runengine_cassettes: {error}") from None


def _wants_all(config: pytest.Config, given: Sequence[Path], folders: Sequence[Path]) -> bool:
    """All recordings, unless pytest was told where to look: below one of the folders, or past those of the ini file.

    A worker of xdist is told places by the controller, which were not asked for by anybody; so it is told this too.
    """
    known: bool | None = getattr(config.option, "runengine_all", None)
    if known is None:
        told = config.args_source is pytest.Config.ArgsSource.ARGS
        start = config.invocation_params.dir
        places = [(start / arg.partition("::")[0]).resolve() for arg in config.args] if told else []
        inside = any(place.is_relative_to(folder.resolve()) for place in places for folder in folders)
        known = not inside and (bool(given) or not told)
        config.option.runengine_all = known
    return known


_ASKED: Final = pytest.StashKey[_Asked]()


def pytest_configure(config: pytest.Config) -> None:
    """Look at what was asked for.

    Raises:
        UsageError: a folder is not there or has no recording, or no policy has that name.

    Example:
        >>> # in pyproject.toml, below [tool.pytest.ini_options]: runengine_cassettes = ["tests/cassettes"]
    """
    config.stash[_ASKED] = _Asked(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A recording that pytest comes across, or is pointed at, is collected where it stands.

    Example:
        >>> # pytest --runengine-cassettes=tests/cassettes tests/cassettes/cancel.yaml
    """
    if file_path.resolve() not in parent.config.stash[_ASKED].files:
        return None
    file: pytest.Collector = _RecordingFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """The recordings that pytest did not come across are added at the end; `-k`, `-m` and `--lf` choose among them too.

    Example:
        >>> # pytest --runengine-cassettes=tests/cassettes -k cancel
    """
    asked = config.stash[_ASKED]
    if not asked.all:
        return
    met = {item.path.resolve() for item in items if isinstance(item, _Recording)}
    for path in asked.files:
        if path not in met:
            items.extend(_RecordingFile.from_parent(session, path=path).collect())


class _RecordingFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield _Recording.from_parent(self, name=_NAME)


class _NotConforming(Exception):
    """The report stands in place of a traceback."""


class _Recording(pytest.Item):
    def runtest(self) -> None:
        from runengine.testing.conforming import conformance_of
        from runengine.validation.readers import Found

        asked, here = self.config.stash[_ASKED], Path.cwd()
        path = str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)
        try:
            # A document of another kind beside the recordings is no recording that fails.
            checked = conformance_of(Found(path) if asked.files.get(self.path.resolve()) else path, asked.standard)
        except RunEngineError as error:
            raise _NotConforming(str(error)) from None
        if checked.failing:
            raise _NotConforming(checked.report)
        if not checked.summary.observations:
            pytest.skip("no run is in it")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, _NotConforming):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"runengine: {self.nodeid.partition('::')[0]}"


@pytest.fixture
def assert_conforms(pytestconfig: pytest.Config) -> Callable[..., Summary]:
    """A function that fails the test where a recording does not conform, with the findings for a message.

    Its arguments: `recording`, a path, text, or run objects (dicts, or objects of an SDK), one or many, in the order
    they were seen; `policy`, a name or a `Policy`; `sampling`, auto, complete or polled; `fail_on`, a severity. What is
    not given is as on pytest's command line. It returns the counts. A recording without a run fails too, and so does
    what is no recording, or cannot be read.

    Example:
        >>> def test_a_poll(assert_conforms, client):
        ...     assert_conforms([client.runs.retrieve("run_1") for _ in range(3)], sampling="polled")
    """
    asked = pytestconfig.stash[_ASKED]

    def conforms(
        recording: Any,
        *,
        policy: str | Policy | None = None,
        sampling: Sampling | None = None,
        fail_on: Severity | None = None,
    ) -> Summary:
        __tracebackhide__ = True
        from runengine.testing.conforming import conformance_of

        # Errors are shown without the frames in which they were found out: the test's own line is at fault.
        try:
            standard = asked.standard.but(policy, sampling, fail_on)
        except ValueError as error:
            raise error.with_traceback(None) from None
        try:
            checked = conformance_of(recording, standard)
        except RunEngineError as error:
            raise error.with_traceback(None) from None
        if checked.failing:
            raise AssertionError(f"the recording does not conform\n{checked.report}")
        if not checked.summary.observations:
            raise AssertionError(f"nothing was checked: no run is in the recording\n{checked.report}")
        return checked.summary

    return conforms
