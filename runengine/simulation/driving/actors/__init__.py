"""The actors of a simulated world: each is a coroutine that asks for one thing after another, for ever."""
