"""The run record. Source: FACTS §1.2.

`RunObject` keeps its fields in an instance dictionary on purpose: one step copies it and changes a few
entries, which costs a tenth of `attrs.evolve` (see `runengine.core.step`).
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, field, frozen

from runengine.core.parts import (
    JSON,
    IncompleteDetails,
    LastError,
    Part,
    RequiredAction,
    ResponseFormat,
    Tool,
    ToolChoice,
    TruncationStrategy,
    Usage,
)
from runengine.core.statuses import Status

__all__ = ["RunObject"]


@frozen(kw_only=True, slots=False)
class RunObject(Part):
    """A run, as any reader of the API sees it: the 28 fields that were ever declared.

    A default is what a field reads as when the wire leaves it out. Each line below is kept equal to
    `runengine.core.fields.describe` by a test.

    Attributes:
        id: string, G0 to G16. The run's id; `run_…` by convention only.
        object: string, G0 to G16. Always `thread.run` (`assistant.run` in G0).
        created_at: stamp, G0 to G16. When the run was created, Unix seconds.
        thread_id: string, G0 to G16. The thread it runs on.
        assistant_id: string, G0 to G16. The assistant that runs.
        status: string, G0 to G16. One of the nine statuses (`incomplete` from G9).
        required_action: object or null, G0 to G16. The tool calls waited for.
        last_error: object or null, G0 to G16. The error that ended the run.
        expires_at: stamp or null, G0 to G16. The deadline, Unix seconds; null once the run has ended.
        started_at: stamp or null, G0 to G16. Start of the latest stretch of work, Unix seconds.
        cancelled_at: stamp or null, G0 to G16. When it was cancelled, Unix seconds.
        failed_at: stamp or null, G0 to G16. When it failed, Unix seconds.
        completed_at: stamp or null, G0 to G16. When it completed, became incomplete or expired, Unix seconds.
        incomplete_details: object or null, G6 to G16. Which token limit ended the run.
        model: string, G0 to G16. The model used.
        instructions: string or null, G0 to G16. The instructions used.
        tools: array, G0 to G16. The tools the model may call.
        file_ids: array, G0 to G7. Files of the assistant (v1 only).
        metadata: object or null, G0 to G16. Up to 16 pairs, keys of 64 and values of 512 characters.
        usage: object or null, G2 to G16. Tokens used, known once ended.
        temperature: number or null, optional, G5 to G16. Sampling temperature.
        top_p: number or null, optional, G7 to G16. Nucleus sampling mass.
        max_prompt_tokens: integer or null, G6 to G16. Limit on prompt tokens over the whole run.
        max_completion_tokens: integer or null, G6 to G16. Limit on completion tokens over the whole run.
        truncation_strategy: object or null, G6 to G16. How the thread is cut to fit.
        tool_choice: word or object or null, G6 to G16. Which tool the model must call, if any.
        parallel_tool_calls: boolean, G10 to G16. Whether several calls may be made at once.
        response_format: word or object or null, G6 to G16. The form the model must answer in.

    Example:
        >>> run = RunObject(
        ...     id="run_1", thread_id="thread_1", assistant_id="asst_1", status="queued", created_at=1700000000,
        ...     expires_at=1700000600, model="gpt-4o")
        >>> run.status, run.started_at
        ('queued', None)
    """

    id: str
    object: str = "thread.run"
    created_at: int
    thread_id: str
    assistant_id: str
    status: Status
    required_action: RequiredAction | None = None
    last_error: LastError | None = None
    expires_at: int | None = None
    started_at: int | None = None
    cancelled_at: int | None = None
    failed_at: int | None = None
    completed_at: int | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    instructions: str | None = None
    tools: tuple[Tool, ...] = ()
    file_ids: tuple[str, ...] | None = None
    metadata: Mapping[str, JSON] | None = Factory(dict)
    usage: Usage | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = True
    response_format: str | ResponseFormat | None = None
    absent: frozenset[str] = field(default=frozenset({"file_ids"}), eq=False, repr=False)
