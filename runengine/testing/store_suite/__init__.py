"""The store suite: what every store must do, tried through the runtime. Source: DESIGN §4.

Subclass `StoreSuite` in a test module, give it the fixture `store`, and pytest runs it:

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def store(self):
            store = MyStore.open(...)   # with nothing in it
            yield store
            store.close()

`DurableStoreSuite` asks for two fixtures more, `reopen` and `connect`; `AsyncStoreSuite` is for an `AsyncStore`. For
messages that show the values, put `pytest.register_assert_rewrite("runengine.testing")` in `conftest.py`.
"""

from runengine.testing.store_suite.aio import AsyncStoreSuite
from runengine.testing.store_suite.durable import DurableTests
from runengine.testing.store_suite.keys import KeyTests
from runengine.testing.store_suite.leases import LeaseTests
from runengine.testing.store_suite.queues import QueueTests
from runengine.testing.store_suite.reading import ReadingTests
from runengine.testing.store_suite.retention import RetentionTests
from runengine.testing.store_suite.sweeping import SweepTests
from runengine.testing.store_suite.values import ValueTests
from runengine.testing.store_suite.verbs import VerbTests

__all__ = ["AsyncStoreSuite", "DurableStoreSuite", "StoreSuite"]


class StoreSuite(
    VerbTests,
    ValueTests,
    KeyTests,
    QueueTests,
    LeaseTests,
    SweepTests,
    ReadingTests,
    RetentionTests,
):
    """Every test that any `Store` must pass."""


class DurableStoreSuite(StoreSuite, DurableTests):
    """And those for a store that is kept in a database."""
