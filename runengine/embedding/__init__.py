"""Embedding: the runtime that an orchestrator gives its runs to. Source: DESIGN §4.

`Runtime` for threads and `AsyncRuntime` for asyncio do the same. What they answer is `Answer`; what a host decides once
is `Settings`.
"""

from runengine.embedding.aio.runtime import AsyncRuntime
from runengine.embedding.answers import KINDS, Answer, AnswerKind
from runengine.embedding.clock import Clock, ManualClock, SystemClock
from runengine.embedding.explanation import Explanation
from runengine.embedding.observers import Observed, Observer
from runengine.embedding.settings import Settings, ThreadStrategy
from runengine.embedding.sync.runtime import Runtime
from runengine.stores.opening import open_store

__all__ = [
    "KINDS",
    "Answer",
    "AnswerKind",
    "AsyncRuntime",
    "Clock",
    "Explanation",
    "ManualClock",
    "Observed",
    "Observer",
    "Runtime",
    "Settings",
    "SystemClock",
    "ThreadStrategy",
    "open_store",
]
