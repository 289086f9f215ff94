"""What a host decides once for its runtime."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Attribute, field, frozen

from runengine.core import TTL_S
from runengine.embedding.values import count, seconds

__all__ = ["Settings", "ThreadStrategy"]

ThreadStrategy = Literal["reject", "enqueue", "interrupt"]
"""What a create does on a thread whose run has not ended: be refused; wait for its end; cancel it, and wait."""


def _whole_seconds(instance: Any, attribute: Attribute[Any], value: object) -> None:
    seconds(instance, attribute, value)
    if type(value) is not int:
        raise ValueError(f"{attribute.name} must be a whole number of seconds; got {value!r}")


def _one_of(*words: str) -> Any:
    def check(_instance: Any, attribute: Attribute[Any], value: object) -> None:
        if value not in words:
            raise ValueError(f"{attribute.name} must be one of {', '.join(words)}; got {value!r}")

    return check


@frozen(kw_only=True)
class Settings:
    """The runtime's choices; every one can be left alone.

    Attributes:
        ttl_s: Seconds from a run's creation to its deadline, unless `create` says otherwise; a whole number.
        lease_s: Seconds a claim or a heartbeat lasts, unless it says otherwise.
        cancel_grace_s: Seconds a live worker has to stop after a cancel; then the run is cancelled without it.
        completion: Who wins when a run completes while it is being cancelled. The loser stays in the history.
        lease_lost: What becomes of a run whose worker is gone: another may claim it, or it fails.
        thread: What `create` does on a busy thread, unless it says otherwise.
        retry_window_s: For how long a retried create without a key is known by its body.
        losses_max: Late outcomes kept in one run's history; more are answered, and not kept.

    Raises:
        ValueError: a number is out of range, or a word is none of those named.

    Example:
        >>> Settings(lease_s=10).cancel_grace_s
        30.0
        >>> Settings(completion="both")
        Traceback (most recent call last):
        ValueError: completion must be one of complete_wins, cancel_wins; got 'both'
    """

    ttl_s: int = field(default=TTL_S, validator=_whole_seconds)
    lease_s: float = field(default=30.0, validator=seconds)
    cancel_grace_s: float = field(default=30.0, validator=seconds)
    completion: Literal["complete_wins", "cancel_wins"] = field(
        default="complete_wins", validator=_one_of("complete_wins", "cancel_wins")
    )
    lease_lost: Literal["reclaim", "fail"] = field(default="reclaim", validator=_one_of("reclaim", "fail"))
    thread: ThreadStrategy = field(default="reject", validator=_one_of("reject", "enqueue", "interrupt"))
    retry_window_s: float = field(default=60.0, validator=seconds)
    losses_max: int = field(default=100, validator=count)
