"""A writer that is stopped in the middle, as a laptop's lid or a hypervisor does it: others wait, or go on without it.

Files are also copied in that moment, and what the log holds behind its last commit is torn: of a power cut that is the
part which a test can play, as a log's torn end is what it leaves. What a disk loses that said it had synced is not.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Final

import pytest

from runengine.embedding import Runtime
from tests.durability.acknowledged import check_acknowledged, check_done_once
from tests.durability.checking import check_store
from tests.durability.crashing import Writer, draw_seed
from tests.durability.workload import SETTINGS

FEW: Final = 6
MANY: Final = 100
PAUSE_MAX_S: Final = 0.6
"""Longer than a lease: whoever sleeps so long has lost its run when it wakes."""

WORK_MAX_S: Final = 0.15
LOG_HEADER: Final = 32
FRAME_HEADER: Final = 24
TORN_MAX: Final = 20_000


def pause_and_check(url: str, pauses: int) -> None:
    """Two writers, of which one or the other is stopped and wakes up again; then all that both were told is there."""
    chance = random.Random(draw_seed())
    writers = [Writer(url, f"writer_{n}", chance.randrange(1 << 32)) for n in range(2)]
    for writer in writers:
        writer.wait_ready()
    for _ in range(pauses):
        sleeper, other = chance.sample(writers, 2)
        sleeper.run(chance.uniform(0, WORK_MAX_S))
        sleeper.pause()
        other.run(chance.uniform(0, PAUSE_MAX_S))
        sleeper.go_on()
    for writer in writers:
        writer.run(WORK_MAX_S)
    lives = [writer.kill() for writer in writers]
    with Runtime(url, settings=SETTINGS) as runtime:
        said = [answer for life in lives for answer in life.said]
        steps = check_acknowledged(runtime.open(), said)
        check_store(runtime.open())
        check_done_once(runtime.open())
    print(f"{pauses} pauses, {steps} steps acknowledged, {sum(answer.kind == 'fenced' for answer in said)} fenced")
    assert all(life.said for life in lives)


def test_a_writer_that_sleeps_harms_nobody(durable_url: str) -> None:
    """After a writer was stopped for longer than its lease, again and again, every acknowledged step is there."""
    pause_and_check(durable_url, FEW)


@pytest.mark.slow
def test_a_writer_that_sleeps_a_hundred_times_harms_nobody(durable_url: str) -> None:
    """After 100 such stops every acknowledged step is there, and none is there twice."""
    pause_and_check(durable_url, MANY)


def last_commit(log: bytes) -> int:
    """Where the last whole commit of a SQLite log ends: behind it, nothing counts."""
    if len(log) < LOG_HEADER:
        return len(log)
    size = FRAME_HEADER + int.from_bytes(log[8:12], "big")
    end = place = LOG_HEADER
    while place + size <= len(log) and log[place + 8 : place + 16] == log[16:24]:
        place += size
        if log[place - size + 4 : place - size + 8] != bytes(4):
            end = place
    return end


def copy_torn(file: Path, copy: Path, chance: random.Random) -> None:
    """Copy a store's files, the log with a torn end."""
    shutil.copyfile(file, copy)
    log = Path(f"{file}-wal").read_bytes()
    whole = last_commit(log)
    torn = log[whole : whole + chance.randrange(TORN_MAX)]
    garbage = chance.randbytes(chance.randrange(TORN_MAX)) if chance.random() < 0.5 else b""
    Path(f"{copy}-wal").write_bytes(log[:whole] + torn + garbage)


def test_a_copy_with_a_torn_log_is_a_store(tmp_path: Path) -> None:
    """Files that are copied in the middle of a write, their log's end torn, have every step acknowledged by then."""
    chance = random.Random(draw_seed())
    file = tmp_path / "runs.db"
    writer = Writer(f"sqlite:///{file}", "writer", chance.randrange(1 << 32))
    writer.wait_ready()
    steps = 0
    for number in range(FEW):
        writer.run(chance.uniform(0.01, WORK_MAX_S))
        said = writer.pause()
        copy_torn(file, tmp_path / f"copy_{number}.db", chance)
        writer.go_on()
        with Runtime(f"sqlite:///{tmp_path}/copy_{number}.db", settings=SETTINGS) as runtime:
            steps = check_acknowledged(runtime.open(), said)
            check_store(runtime.open())
            assert runtime.create("thread_new", "asst_1", "gpt-4o").ok
    writer.kill()
    assert steps > 0
