"""The runtime for threads, made from that for asyncio by `python -m tests.unasync`."""
