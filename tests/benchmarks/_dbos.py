"""DBOS as a peer: what it does to write a workflow's status. `pip install dbos` brings it; nothing else needs it.

Two ways: through its interface, as its users do (a workflow that does nothing: begun, ended), and its system database
alone, driven as its workflows drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen


@frozen
class Dbos:
    """DBOS's own system database, driven as its workflows drive it."""

    database: Any

    def begin(self, flow: str) -> str:
        """Record that a workflow has begun; its id."""
        from dbos._sys_db import WorkflowStatusInternal  # pyright: ignore[reportMissingImports] - an extra

        known: dict[str, Any] = dict.fromkeys(WorkflowStatusInternal.__annotations__)
        status = known | {
            "workflow_uuid": flow,
            "status": "PENDING",
            "name": "bench",
            "priority": 0,
            "inputs": "[]",
            "recovery_attempts": 0,
            "is_debounced": False,
        }
        self.database.init_workflow(status, creator_xid=None)
        return flow

    def end(self, flow: str) -> None:
        """Record that it has ended."""
        assert self.database.update_workflow_outcome(flow, "SUCCESS", output="null") is not False

    def close(self) -> None:
        """Close its database."""
        self.database.destroy()


def make_dbos(url: str, callers: int) -> Dbos:
    """Its system database, migrated, with a connection for each caller."""
    from dbos._serialization import DefaultSerializer  # pyright: ignore[reportMissingImports] - an extra
    from dbos._sys_db import SystemDatabase  # pyright: ignore[reportMissingImports] - an extra

    pool = {"pool_size": callers, "max_overflow": 0}
    database = SystemDatabase.create(
        system_database_url=url,
        engine_kwargs=pool,
        engine=None,
        schema=None if url.startswith("sqlite") else "dbos",
        serializer=DefaultSerializer(),
        executor_id="bench",
        use_listen_notify=False,
    )
    database.run_migrations()
    return Dbos(database)


@contextmanager
def workflows(url: str, connections: int) -> Iterator[Callable[[str], None]]:
    """DBOS launched on a database; each call runs a workflow that does nothing, and writes two statuses."""
    from dbos import DBOS  # pyright: ignore[reportMissingImports] - an extra

    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "sys_db_pool_size": connections,
            "log_level": "ERROR",
        }
    )

    def nothing(_name: str) -> None:
        return

    workflow: Callable[[str], None] = DBOS.workflow()(nothing)
    DBOS.launch()
    try:
        yield workflow
    finally:
        DBOS.destroy()
