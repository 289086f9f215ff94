"""The fields of the five published documents, as data: name, type and note exactly as each document has them.

The documents are tables in Markdown; `parse` reads one, with its links and escapes taken off, into the same rows, so
that a test can hold this data to the documents themselves and to those that the generators make today.
"""

from __future__ import annotations

import html
import re
from typing import Final

from attrs import frozen

__all__ = ["JOINS", "SEEDS", "SeedField", "parse"]


@frozen
class SeedField:
    """One row of a document.

    Attributes:
        name: As the document spells it.
        type: Of the language; a star in front (Julia) marks a model.
        note: `[optional]`, a default, `[foreignkey]` or nothing.
        column: The SQL column, kotlin-sql only.
        sql: Its type, kotlin-sql only.
    """

    name: str
    type: str
    note: str = ""
    column: str = ""
    sql: str = ""

    @property
    def optional(self) -> bool:
        """Whether the document calls it optional."""
        return "[optional]" in self.note


_RUBY: Final = """
id | String
object | String
created_at | Integer
thread_id | String
assistant_id | String
status | String
required_action | RunObjectRequiredAction
last_error | RunObjectLastError
expires_at | Integer
started_at | Integer
cancelled_at | Integer
failed_at | Integer
completed_at | Integer
incomplete_details | RunObjectIncompleteDetails
model | String
instructions | String
tools | Array<AssistantObjectToolsInner>
file_ids | Array<String>
metadata | Object
usage | RunCompletionUsage
temperature | Float | [optional]
max_prompt_tokens | Integer
max_completion_tokens | Integer
truncation_strategy | TruncationObject
tool_choice | AssistantsApiToolChoiceOption
response_format | AssistantsApiResponseFormatOption
"""

_JULIA: Final = """
id | String | [default to nothing]
object | String | [default to nothing]
created_at | Int64 | [default to nothing]
thread_id | String | [default to nothing]
assistant_id | String | [default to nothing]
status | String | [default to nothing]
required_action | *RunObjectRequiredAction | [default to nothing]
last_error | *RunObjectLastError | [default to nothing]
expires_at | Int64 | [default to nothing]
started_at | Int64 | [default to nothing]
cancelled_at | Int64 | [default to nothing]
failed_at | Int64 | [default to nothing]
completed_at | Int64 | [default to nothing]
model | String | [default to nothing]
instructions | String | [default to nothing]
tools | Vector{AssistantObjectToolsInner} | [default to nothing]
file_ids | Vector{String} | [default to nothing]
metadata | Any | [default to nothing]
"""

_DART: Final = """
id | String
object | String
createdAt | int
threadId | String
assistantId | String
status | String
requiredAction | RunObjectRequiredAction
lastError | RunObjectLastError
expiresAt | int
startedAt | int
cancelledAt | int
failedAt | int
completedAt | int
incompleteDetails | RunObjectIncompleteDetails
model | String
instructions | String
tools | BuiltList<AssistantObjectToolsInner> | [default to ListBuilder()]
metadata | BuiltMap<String, String>
usage | RunCompletionUsage
temperature | num | [optional]
topP | num | [optional]
maxPromptTokens | int
maxCompletionTokens | int
truncationStrategy | TruncationObject
toolChoice | AssistantsApiToolChoiceOption
parallelToolCalls | bool | [default to true]
responseFormat | AssistantsApiResponseFormatOption
"""

_TYPESCRIPT: Final = """
id | string
object | string
createdAt | number
threadId | string
assistantId | string
status | string
requiredAction | RunObjectRequiredAction
lastError | RunObjectLastError
expiresAt | number
startedAt | number
cancelledAt | number
failedAt | number
completedAt | number
incompleteDetails | RunObjectIncompleteDetails
model | string
instructions | string
tools | Array<AssistantObjectToolsInner>
metadata | object
usage | RunCompletionUsage
temperature | number
topP | number
maxPromptTokens | number
maxCompletionTokens | number
truncationStrategy | TruncationObject
toolChoice | AssistantsApiToolChoiceOption
parallelToolCalls | boolean
responseFormat | AssistantsApiResponseFormatOption
"""

_KOTLIN: Final = """
id | kotlin.String | | id | text NOT NULL PRIMARY KEY
object | object | | object | text NOT NULL
createdAt | kotlin.Int | | created_at | int NOT NULL
threadId | kotlin.String | | thread_id | text NOT NULL
assistantId | kotlin.String | | assistant_id | text NOT NULL
status | status | | status | text NOT NULL
requiredAction | RunObjectRequiredAction | [foreignkey] | required_action | long NOT NULL
lastError | RunObjectLastError | [foreignkey] | last_error | long NOT NULL
expiresAt | kotlin.Int | | expires_at | int NOT NULL
startedAt | kotlin.Int | | started_at | int NOT NULL
cancelledAt | kotlin.Int | | cancelled_at | int NOT NULL
failedAt | kotlin.Int | | failed_at | int NOT NULL
completedAt | kotlin.Int | | completed_at | int NOT NULL
incompleteDetails | RunObjectIncompleteDetails | [foreignkey] | incomplete_details | long NOT NULL
model | kotlin.String | | model | text NOT NULL
instructions | kotlin.String | | instructions | text NOT NULL
tools | kotlin.Array<AssistantObjectToolsInner> | | One-To-Many | ----
fileIds | kotlin.Array<kotlin.String> | | One-To-Many | ----
metadata | kotlin.Any | | metadata | blob NOT NULL
usage | RunCompletionUsage | [foreignkey] | usage | long NOT NULL
maxPromptTokens | kotlin.Int | | max_prompt_tokens | int UNSIGNED NOT NULL
maxCompletionTokens | kotlin.Int | | max_completion_tokens | int UNSIGNED NOT NULL
truncationStrategy | TruncationObject | [foreignkey] | truncation_strategy | long NOT NULL
toolChoice | AssistantsApiToolChoiceOption | [foreignkey] | tool_choice | long NOT NULL
responseFormat | AssistantsApiResponseFormatOption | [foreignkey] | response_format | long NOT NULL
temperature | java.math.BigDecimal | [optional] | temperature | decimal
"""

JOINS: Final[dict[str, tuple[SeedField, ...]]] = {
    "RunObjectAssistantObjectToolsInner": (
        SeedField("runObject", "kotlin.Long", "*one*", "runObject", "long"),
        SeedField("assistantObjectToolsInner", "kotlin.Long", "*many*", "assistantObjectToolsInner", "long"),
    ),
    "RunObjectFileIds": (
        SeedField("runObject", "kotlin.Long", "*one*", "runObject", "long"),
        SeedField("fileIds", "kotlin.String", "*many*", "fileIds", "text"),
    ),
}
"""The join tables of the kotlin-sql document."""


def _rows(text: str) -> tuple[SeedField, ...]:
    return tuple(SeedField(*(cell.strip() for cell in line.split("|"))) for line in text.strip().splitlines())


SEEDS: Final[dict[str, tuple[SeedField, ...]]] = {
    "ruby": _rows(_RUBY),
    "julia": _rows(_JULIA),
    "dart": _rows(_DART),
    "typescript": _rows(_TYPESCRIPT),
    "kotlin-sql": _rows(_KOTLIN),
}
"""The fields of each document, in its order, by dialect."""

_HEADS: Final = {
    ("Name", "Type", "Description", "Notes"): ("name", "type", "", "note"),
    ("Name", "Type"): ("name", "type"),
    ("Name", "Mapping", "SQL Type", "Default", "Type", "Description", "Notes"): (
        *("name", "column", "sql", "", "type", "", "note"),
    ),
}


def parse(text: str) -> list[tuple[SeedField, ...]]:
    r"""The tables of a document, in order.

    Example:
        >>> parse("Name | Type\n---- | ----\n`topP` | number")
        [(SeedField(name='topP', type='number', note='', column='', sql=''),)]
    """
    tables: list[list[SeedField]] = []
    names: tuple[str, ...] | None = None
    for line in text.splitlines():
        inner = line.strip().removeprefix("|").removesuffix("|") if line.startswith("|") else line
        cells = [_plain(cell) for cell in inner.split("|")]
        if tuple(cells) in _HEADS:
            names = _HEADS[tuple(cells)]
            tables.append([])
        elif len(cells) == 1:
            names = None
        elif names is not None and set(cells[0]) != {"-"}:
            tables[-1].append(SeedField(**{name: cell for name, cell in zip(names, cells, strict=True) if name}))
    return [tuple(table) for table in tables]


def _plain(cell: str) -> str:
    """A cell without emphasis, link and escapes; in Julia's, the star of a model stands inside or beside the ticks."""
    text = html.unescape(cell.strip())
    if linked := re.fullmatch(r"\[(.+)\]\(.*\)", text):
        text = linked[1]
    if strong := re.fullmatch(r"\*\*(.+)\*\*", text):
        text = strong[1]
    return text.replace("`", "")
