"""The data of a page as JSON: every run as a row of numbers, every text once.

The text is safe inside a script element: `<`, `>`, `&` and all that is not ASCII are escaped. Times are milliseconds
from the run's own beginning, which is given in Unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from runengine.core.fields import STAMPS
from runengine.core.statuses import STATUSES
from runengine.core.table import Policy
from runengine.validation.findings import SEVERITIES
from runengine.validation.reports.lanes import Axis, Laid, lay_out
from runengine.validation.reports.timelines import Life, cut

__all__ = ["DATA_VERSION", "data_of", "safe_json"]

DATA_VERSION: Final = 1
"""Version of the data; the script of the page reads this one."""

_AXES: Final[tuple[Axis, ...]] = ("observed", "stamped", "even")
_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_FOUND_MAX: Final = 1000


def safe_json(value: Any) -> str:
    r"""JSON in ASCII that cannot end or open an element.

    Example:
        >>> safe_json("</script>")
        '"\\u003c/script\\u003e"'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


class _Words:
    """Texts, each once."""

    def __init__(self, first: Iterable[str] = ()) -> None:
        self.numbers: dict[str, int] = {text: number for number, text in enumerate(first)}

    def __call__(self, text: str | None) -> int:
        """The text's number, or -1 for None."""
        return -1 if text is None else self.numbers.setdefault(text, len(self.numbers))


def data_of(lives: Iterable[Life], policy: Policy, head: dict[str, Any]) -> Iterator[str]:
    """The data, piece by piece.

    A run is `[id, thread, file, line, last line, snapshots, stays left out, whole, axis, base, end, stays, bars,
    stamps, counts, pins, number]`; id and thread are numbers of `texts`, -1 for none; id is -2 for a recording itself;
    number tells which run of its id it is, from 0.
    A stay is `[line, last line, count, status, from, to, event, calls, started_at]`, a bar `[status, from, to, hidden,
    stay]`, a stamp `[name, at]`, a count `[rule, severity, how many]`, a pin `[rule, severity, line, stay, at, field,
    found, expected, message, hint]`.

    Args:
        lives: In the order of the page.
        policy: Which steps may be hidden.
        head: What is said of all of them; its keys come first.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> json.loads("".join(data_of([], PRACTICAL, {"a": 1})))["a"]
        1
    """
    texts, files, rules, statuses = _Words(), _Words(), _Words(), _Words(STATUSES)
    yield "{" + safe_json({"version": DATA_VERSION, **head})[1:-1] + ',"runs":['
    for number, life in enumerate(lives):
        laid = lay_out(life, policy)
        row = [
            -2 if not life.about_run else texts(life.run_id),
            texts(life.thread_id),
            files(life.path),
            life.stays[0].line if life.stays else min((pin.line for pin in life.pins), default=0),
            life.stays[-1].last_line if life.stays else max((pin.line for pin in life.pins), default=0),
            life.observations,
            life.stays_left,
            int(life.whole),
            _AXES.index(laid.axis),
            laid.base_s,
            laid.end_ms,
            [_stay(life, laid, n, statuses, texts) for n in range(len(life.stays))],
            [[statuses(b.status), b.from_ms, b.to_ms, int(b.hidden), b.stay] for b in laid.bars],
            [[STAMPS.index(name), at_ms] for name, at_ms in laid.stamps],
            [[rules(code), SEVERITIES.index(severity), n] for (code, severity), n in life.counts.items()],
            list(_pins(life, laid, rules, texts)),
            life.number,
        ]
        yield (",\n" if number else "\n") + safe_json(row)
    tables = {"texts": texts, "files": files, "rules": rules, "statuses": statuses}
    yield "\n]," + safe_json({name: list(words.numbers) for name, words in tables.items()})[1:-1]
    yield ',"stamps":' + safe_json(STAMPS) + "}"


def _stay(life: Life, laid: Laid, n: int, statuses: _Words, texts: _Words) -> list[Any]:
    stay = life.stays[n]
    calls = [texts(name) for name in stay.calls]
    span, started_s = laid.spans[n], stay.started_s
    return [
        stay.line,
        stay.last_line,
        stay.count,
        statuses(stay.status),
        *span,
        texts(stay.event),
        calls,
        started_s,
    ]


def _pins(life: Life, laid: Laid, rules: _Words, texts: _Words) -> Iterator[list[Any]]:
    for pin in life.pins:
        at = max((n for n, stay in enumerate(life.stays) if stay.line <= pin.line), default=-1)
        at_ms = laid.spans[at][int(pin.line >= life.stays[at].last_line)] if at >= 0 else 0
        absent = pin.field is None and pin.found is None
        found = None if absent else json.dumps(pin.found, ensure_ascii=False, default=str)
        yield [
            rules(pin.code),
            SEVERITIES.index(pin.severity),
            pin.line,
            at,
            at_ms,
            texts(None if pin.field is None else cut(pin.field)),
            texts(None if found is None else cut(found, _FOUND_MAX)),
            texts(None if pin.expected is None else cut(pin.expected, _FOUND_MAX)),
            texts(cut(pin.message, _FOUND_MAX)),
            texts(None if pin.hint is None else cut(pin.hint, _FOUND_MAX)),
        ]
