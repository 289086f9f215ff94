"""Columns of pyarrow, made of the columns of a simulation: words, ids, numbers, and whole records."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runengine.core import FIELDS, SECOND_US, STATUSES, TERMINAL, RunObject
from runengine.core.table import ENDED_BY
from runengine.dialects import encode
from runengine.simulation.errors import MissingExtra
from runengine.simulation.lives import ARGUMENTS, ERRORS, document_of, lives_of
from runengine.simulation.recording import Row
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.details import CUT, Details, names
from runengine.simulation.vectors.draws import Draws, Ints
from runengine.simulation.vectors.histories import NEVER
from runengine.simulation.vectors.stamps import Stamps
from runengine.simulation.writing.chunk import Chunk

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError:
    raise MissingExtra("writing Parquet", "simulation") from None

__all__ = ["HEAD", "Records", "Rows", "chosen", "ids", "numbers"]

Rows = dict[str, NDArray[Any]]
"""Columns of one length."""

_TYPES: Final = {
    "string": pa.string(),
    "stamp": pa.int64(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}
HEAD: Final = {"kind": pa.string(), "event": pa.string(), "seq": pa.int32(), "observed_at_us": pa.int64()}
"""What a row says beside the record."""

_FULL: Final = tuple(status for status, event in ENDED_BY.items() if event not in CUT)


class Records:
    """What whole records have beside the columns of the lifecycle.

    Args:
        scenario: The world.

    Attributes:
        kinds: The columns, and what they hold.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> [*Records(scenario_named("steady")).kinds][:6]
        ['kind', 'event', 'seq', 'observed_at_us', 'id', 'object']
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        sample = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0)
        self._names = tuple(document_of(sample, scenario))
        self.kinds = HEAD | {name: _TYPES.get(_form(name), pa.string()) for name in self._names}
        self._samples: dict[int, dict[str, Any]] = {}
        self._actions = pa.array([], pa.string())

    def rows_of(self, chunk: Chunk, stamps: Stamps) -> Rows:
        """By the observation: tokens, numbers of words, the number of the action required; -1 where there is none."""
        histories, details = chunk.histories, chunk.details
        entry, run = chunk.observed.entry, chunk.observed.run
        status = stamps.status[entry]
        ended, counted = _among(TERMINAL)[status], details.counted[run] | _among(_FULL)[status]
        for number in set(np.unique(details.assistant).tolist()) - {*self._samples}:
            place = int(np.argmax(details.assistant == number))
            self._samples[number] = next(lives_of(histories.cut(place, place + 1))).documents()[0]
        asked = np.where(status == STATUSES.index("requires_action"), stamps.since("require_action")[entry], NEVER)
        actions, action = np.unique(asked, return_inverse=True)
        some = actions[actions >= 0]
        action = action - (len(actions) - len(some)) + len(self._actions)
        self._actions = pa.concat_arrays([self._actions, _actions(details, self._scenario, some)])
        return {
            "prompt": np.where(ended, details.prompt_tokens[run] * counted, NEVER),
            "completion": np.where(ended, details.completion_tokens[run] * counted, NEVER),
            "error": np.where(status == STATUSES.index("failed"), details.error[run], NEVER),
            "limit": np.where(status == STATUSES.index("incomplete"), details.limit[run], NEVER),
            "modified": stamps.count("modify")[entry],
            "action": np.where(asked >= 0, action, NEVER),
            "special": np.full(len(run), NEVER),
        }

    def forget(self, parts: Sequence[Rows]) -> None:
        """Keep the actions that these rows still have."""
        kept = 0
        numbers = []
        for rows in parts:
            if rows:
                places = np.flatnonzero(rows["action"] >= 0)
                numbers.append(rows["action"][places])
                rows["action"] = rows["action"].copy()
                rows["action"][places] = kept + np.arange(len(places))
                kept += len(places)
        self._actions = self._actions.take(pa.array(np.concatenate(numbers or [np.zeros(0, np.int64)])))

    def columns(self, made: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
        """All columns, made of those of the lifecycle and what `rows_of` gathered."""
        errors, scenario = self._scenario.errors, self._scenario
        said = [{"code": code, "message": ERRORS.get(code, code)} for code in errors]
        pairs, pair = np.unique(rows["assistant"] + (rows["modified"] << 32), return_inverse=True)
        metadata = [self._metadata(int(code) & 0xFFFFFFFF, int(code) >> 32) for code in pairs]
        columns = {
            **made,
            "id": made["run_id"],
            "required_action": self._actions.take(pa.array(rows["action"], mask=rows["action"] < 0)),
            "last_error": chosen([_text(error) for error in said], rows["error"]),
            "incomplete_details": chosen([_text({"reason": reason}) for reason in scenario.limits], rows["limit"]),
            "metadata": chosen(metadata, pair),
            "usage": _usage(rows["prompt"], rows["completion"]),
        }
        for name in self._names:
            if name not in columns:
                values = [self._samples.get(n, {}).get(name) for n in range(len(scenario.assistants))]
                columns[name] = self._constant(name, values, rows["assistant"])
        return columns

    def _metadata(self, assistant: int, modified: int) -> str:
        given = self._scenario.assistants[assistant].metadata
        return _text({**given, "modified": str(modified)} if modified else dict(given))

    def _constant(self, name: str, values: list[Any], assistant: Ints) -> Any:
        kind = self.kinds[name]
        if kind != pa.string():
            return pa.array(values, kind).take(pa.array(assistant))
        texts = [value if value is None or _form(name) == "string" else _text(value) for value in values]
        absent = np.array([text is None for text in texts])[assistant]
        return chosen([text or "" for text in texts], np.where(absent, NEVER, assistant))

    def carries(self, row: Row) -> bool:
        """Whether a row is an object with these columns, of their types."""
        data = row.data
        if row.raw is not None or not isinstance(data, dict) or set(data) != set(self._names):
            return False
        return all(value is None or _fits(value, self.kinds[name], _form(name)) for name, value in data.items())

    def patched(self, columns: Mapping[str, Any], places: Ints, broken: Sequence[Row]) -> dict[str, Any]:
        """The columns with these rows in these places."""
        if not broken:
            return dict(columns)
        seen = [None if row.observed_at is None else round(row.observed_at * SECOND_US) for row in broken]
        given: dict[str, list[Any]] = {
            "kind": [row.kind for row in broken],
            "event": [row.event for row in broken],
            "observed_at_us": seen,
        }
        made = {}
        for name, column in columns.items():
            if name == "seq":
                made[name] = column
                continue
            values = given.get(name) or [row.data[name] for row in broken]
            if name not in given and name in self._names and _form(name) not in _TYPES:
                values = [None if value is None else _text(value) for value in values]
            is_chosen = pa.types.is_dictionary(column.type)
            plain = column.dictionary_decode() if is_chosen else column
            order = np.arange(len(plain))
            order[places] = len(plain) + np.arange(len(broken))
            both = pa.concat_arrays([plain, pa.array(values, plain.type)]).take(pa.array(order))
            made[name] = both.dictionary_encode() if is_chosen else both
        return made


def _among(words: Container[str]) -> NDArray[np.bool_]:
    """By the number of a status, whether it is one of these."""
    return np.array([status in words for status in STATUSES])


def numbers(values: NDArray[Any], kind: Any) -> Any:
    """Whole numbers; -1 is null.

    Args:
        values: The numbers.
        kind: The type of pyarrow's.

    Example:
        >>> numbers(np.array([3, -1]), pa.int64()).to_pylist()
        [3, None]
    """
    return pa.array(values, kind, mask=values == NEVER)


def chosen(words: Iterable[str], numbers: NDArray[Any]) -> Any:
    """Words by their numbers, as a dictionary without twins; -1 is null.

    Args:
        words: The words.
        numbers: Of each place, the number of its word.

    Example:
        >>> chosen(["a", "b"], np.array([1, -1, 0])).to_pylist()
        ['b', None, 'a']
    """
    known: dict[str, int] = {}
    place = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
    indices = place[numbers] if len(place) else np.zeros(len(numbers), np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=numbers == NEVER), pa.array([*known], pa.string()))


def ids(prefix: str, draws: Draws, purpose: str, numbers: NDArray[np.uint64]) -> Any:
    """Ids, drawn for each number once.

    Args:
        prefix: As of `names`.
        draws: Of the seed.
        purpose: What the ids are of.
        numbers: What they are drawn by.

    Example:
        >>> made = ids("run_", Draws(1), "run", np.array([1, 0, 1], dtype=np.uint64))
        >>> len(made.dictionary), made[0] == made[2], len(made[1].as_py())
        (2, True, 28)
    """
    each, place = np.unique(numbers, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(place.astype(np.int32)), _strings(names(prefix, draws, purpose, each))
    )


def _strings(made: NDArray[np.bytes_]) -> Any:
    """Texts of one length."""
    offsets = np.arange(len(made) + 1, dtype=np.int32) * made.itemsize
    return pa.StringArray.from_buffers(len(made), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(made)))


def _usage(prompt: Ints, completion: Ints) -> Any:
    none = prompt < 0
    parts = [
        '{"completion_tokens":',
        pa.array(completion, mask=none).cast(pa.string()),
        ',"prompt_tokens":',
        pa.array(prompt, mask=none).cast(pa.string()),
        ',"total_tokens":',
        pa.array(prompt + completion, mask=none).cast(pa.string()),
        "}",
    ]
    return _glued(parts)


def _actions(details: Details, scenario: Scenario, entries: Ints) -> Any:
    """The `required_action` of entries that require one, as JSON."""
    made, places = [pa.array([], pa.string())], [np.zeros(0, np.int64)]
    functions = [_text(name) for name in scenario.tools.functions]
    counts = details.calls[entries]
    for count in np.unique(counts).tolist():
        here = np.flatnonzero(counts == count)
        parts: list[Any] = ['{"type":"submit_tool_outputs","submit_tool_outputs":{"tool_calls":[']
        for number in range(count):
            function = chosen(functions, details.call_function(entries[here], number)).dictionary_decode()
            parts += [
                ',{"id":"' if number else '{"id":"',
                _strings(details.call_id(entries[here], number)),
                '","type":"function","function":{"name":',
                function,
                f',"arguments":{_text(ARGUMENTS)}}}}}',
            ]
        made.append(_glued([*parts, "]}}"]))
        places.append(here)
    return pa.concat_arrays(made).take(pa.array(np.argsort(np.concatenate(places), kind="stable")))


def _glued(parts: Sequence[Any]) -> Any:
    """Texts put together, place by place; null where one of them is."""
    given = [part if isinstance(part, pa.Array) else pa.scalar(part) for part in (*parts, "")]
    return pc.call_function("binary_join_element_wise", given, pc.JoinOptions())


def _text(value: Any) -> str:
    return encode(value).decode()


def _form(name: str) -> str:
    return FIELDS[name].kind if name in FIELDS else "object"


def _fits(value: Any, kind: Any, form: str) -> bool:
    if form not in _TYPES:
        return True
    if kind == pa.int64():
        return type(value) is int and -(2**63) <= value < 2**63
    wanted = {pa.string(): (str,), pa.float64(): (int, float), pa.bool_(): (bool,)}[kind]
    return type(value) in wanted
