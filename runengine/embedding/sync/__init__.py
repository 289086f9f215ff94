"""The runtime for threads, made from that for asyncio."""
