"""Races, crashes and the feed: what a durable store must hold when two want the same, or when somebody dies."""
