"""The sync modules that are made from async ones: `python -m tests.unasync` writes them, `--check` compares.

Word by word, in docstrings too: `await` goes, `async def` becomes `def`, `AsyncX` `X`, `x_async` and `async_x` `x`,
`Awaitable[X]` and `asyncio.run(X)` `X`. What cannot be said in words lies in a module of its own, written for both.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STORE = "runengine/stores/postgres"
RUNTIME = "runengine/embedding"
PAIRS = (
    (f"{STORE}/async_executing.py", f"{STORE}/executing.py"),
    (f"{STORE}/async_grouping.py", f"{STORE}/grouping.py"),
    (f"{STORE}/async_preparing.py", f"{STORE}/preparing.py"),
    (f"{STORE}/async_store.py", f"{STORE}/store.py"),
    *((f"{RUNTIME}/aio/{name}.py", f"{RUNTIME}/sync/{name}.py") for name in ("base", "verbs", "runtime")),
)
"""Source and what is made of it."""

WORDS = (
    (r"\basync (?=def\b|with\b|for\b)", ""),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_Async(?=[A-Z])", "_"),
    (r"\b(_?)async_(?=[a-z])", r"\1"),
    (r"(?<=[a-z])_async\b", ""),
    (r"(?<=[a-z])_async_(?=[a-z])", "_"),
    (r"\.aio\b", ".sync"),
    (r"\basyncio\.Lock\b", "threading.Lock"),
    (r"(?m)^import asyncio$", "import threading"),
    (r"(?m)^ +>>> import asyncio\n", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\b(aclose|aiter|anext)\b", lambda found: found[0][1:]),
)


def unasync(text: str, source: str) -> str:
    """The sync module of an async one."""
    for words, instead in WORDS:
        text = re.sub(words, instead, text)
    text = _bare(_bare(text, r"\bAwaitable\["), r"\basyncio\.run\(")
    text = re.sub(r"\bAwaitable, |, Awaitable\b", "", text)
    about = f"# Made by `python -m tests.unasync` from {source}: change that file, not this one.\n"
    return f"{about}# fmt: off\n# ruff: noqa: I001, RUF100\n{text}"


def _bare(text: str, opening: str) -> str:
    """The text with what stands between such an opening and its bracket's end, and without these two."""
    while found := re.search(opening, text):
        end, depth = found.end(), 1
        while depth:
            depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[found.end() : end - 1] + text[end:]
    return text


def stale() -> list[str]:
    """The made modules that are not what their sources make."""
    return [target for source, target in PAIRS if not _is_fresh(source, target)]


def _is_fresh(source: str, target: str) -> bool:
    made = ROOT / target
    return made.exists() and made.read_text(encoding="utf-8") == _made(source)


def _made(source: str) -> str:
    return unasync((ROOT / source).read_text(encoding="utf-8"), source)


def main(arguments: Sequence[str]) -> int:
    """Write the modules, or with `--check` say which are stale."""
    if "--check" in arguments:
        for target in stale():
            print(f"{target} is stale: python -m tests.unasync")
        return int(bool(stale()))
    for source, target in PAIRS:
        if (ROOT / source).exists():
            (ROOT / target).write_text(_made(source), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
