"""A store of one's own, run through the suite just as `docs/how-to/write-a-store.md` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runengine.embedding import Runtime
from runengine.stores.memory import MemoryStore
from runengine.testing.store_suite import StoreSuite

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-store.md"


class MyStore:
    """A host's store: no subclass of anything of runengine's, and what it hands on it hands on under its own name."""

    def __init__(self, address: str) -> None:
        self.url = address
        self._kept = MemoryStore()

    @classmethod
    def open(cls, address: str) -> MyStore:
        """A new one."""
        return cls(address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)


class TestMyStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Iterator[MyStore]:
        """As on the page."""
        store = MyStore.open("…")  # with nothing in it
        yield store
        store.close()


def test_the_page_shows_this() -> None:
    """Its snippet makes a class of tests of the same names, with the fixture the suite asks for; a runtime takes it."""
    [snippet] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"MyStore": MyStore}
    exec(snippet, names)
    shown = names["TestMyStore"]
    assert issubclass(shown, StoreSuite)
    assert {name for name in dir(shown) if name.startswith("test_")} == {
        name for name in dir(TestMyStore) if name.startswith("test_")
    }
    assert "store" in vars(shown)
    store: Any = MyStore.open("…")
    with Runtime(store) as runtime:
        assert runtime.create("thread_1", "asst_1", "gpt-4o").ok
