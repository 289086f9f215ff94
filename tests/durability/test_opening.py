"""A store that is made: by several at once, or by one that is killed over it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from runengine.embedding import Runtime
from tests.durability.acknowledged import check_acknowledged
from tests.durability.checking import check_store
from tests.durability.crashing import Writer, draw_seed
from tests.durability.workload import SETTINGS

TIMES: Final = 6
AT_ONCE: Final = 4
OPENING_S: Final = 0.1


@pytest.fixture(params=["sqlite", "postgres"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Addresses of empty stores, as many as are asked for."""
    if request.param == "sqlite":
        return (f"sqlite:///{tmp_path}/{number}.db" for number in range(TIMES))
    new_postgres_url: Callable[[], str] = request.getfixturevalue("new_postgres_url")
    return (new_postgres_url() for _ in range(TIMES))


def test_many_threads_make_a_store_at_once(urls: Iterator[str]) -> None:
    """Whoever comes first makes the tables, and nobody is refused for coming second."""
    for url in urls:
        failures: list[Exception] = []
        together = threading.Barrier(AT_ONCE)
        threads = [threading.Thread(target=_open, args=(url, together, failures)) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def _open(url: str, together: threading.Barrier, failures: list[Exception]) -> None:
    try:
        together.wait()
        with Runtime(url) as runtime:
            runtime.open()
    except Exception as error:  # noqa: BLE001 - raised by the assert
        failures.append(error)


def test_many_processes_make_a_store_at_once(urls: Iterator[str]) -> None:
    """Processes that find nothing there all come to work on the one store."""
    for number, url in enumerate(urls):
        writers = [Writer(url, f"writer_{n}", number) for n in range(AT_ONCE)]
        for writer in writers:
            writer.wait_ready()
        lives = [writer.kill() for writer in writers]
        with Runtime(url, settings=SETTINGS) as runtime:
            for life in lives:
                check_acknowledged(runtime.open(), life.said)
            check_store(runtime.open())


def test_a_store_whose_making_was_cut_short_is_made_whole(urls: Iterator[str]) -> None:
    """A writer killed while it makes the tables leaves a store that the next one opens and works on."""
    chance = random.Random(draw_seed())
    for number, url in enumerate(urls):
        writer = Writer(url, "first", number)
        writer.run(chance.uniform(0, OPENING_S))
        said = writer.kill().said
        with Runtime(url, settings=SETTINGS) as runtime:
            check_acknowledged(runtime.open(), said)
            assert runtime.create("thread_new", "asst_1", "gpt-4o").ok
            check_store(runtime.open())
