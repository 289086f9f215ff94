"""Runs by the column."""
