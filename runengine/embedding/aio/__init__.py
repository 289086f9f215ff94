"""The runtime for asyncio, from which that for threads is made."""
