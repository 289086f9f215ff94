"""The simulator's own errors; the tree of all is in `runengine.errors`."""

from __future__ import annotations

from runengine.errors import MissingExtra, RunEngineError

__all__ = ["MissingExtra", "ScenarioInvalid"]


class ScenarioInvalid(RunEngineError, ValueError):
    """A scenario that cannot be simulated. Its text is one line that a terminal may print.

    Attributes:
        source: The file, or the name it was asked for by.
        problems: What is wrong, each with its place in the file and what would have been right.

    Example:
        >>> print(ScenarioInvalid("a.toml", ("arrival.rate_per_s: expected a number of at least 1e-06, got 0",)))
        a.toml: arrival.rate_per_s: expected a number of at least 1e-06, got 0
    """

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        text = f"{self.source}: {'; '.join(self.problems)}"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
