"""The modules that are made from others are what their sources make."""

from __future__ import annotations

import ast

import pytest

from tests.unasync import PAIRS, ROOT, stale, unasync


def test_made_modules_are_fresh() -> None:
    """`python -m tests.unasync` would change nothing."""
    assert stale() == []


@pytest.mark.parametrize("target", [target for _, target in PAIRS])
def test_nothing_asynchronous_is_left(target: str) -> None:
    """A made module has no await, and names nothing of asyncio."""
    text = (ROOT / target).read_text(encoding="utf-8")
    kinds = (ast.Await, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith)
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    assert "asyncio" not in text


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("async def f() -> Awaitable[list[int]]: return await g()", "def f() -> list[int]: return g()"),
        ("from x.async_store import AsyncStore, copy_async", "from x.store import Store, copy"),
        ("from collections.abc import Awaitable, Callable", "from collections.abc import Callable"),
        ("async with open_async_store(a) as s: pass", "with open_store(a) as s: pass"),
        ("async def __aenter__(self): ...", "def __enter__(self): ..."),
        ("    >>> import asyncio\n    >>> asyncio.run(f(1))", "    >>> f(1)"),
    ],
)
def test_words_are_replaced(source: str, made: str) -> None:
    """Each word that tells an async module from a sync one has its counterpart."""
    assert unasync(source, "a.py").splitlines()[3:] == made.splitlines()
