"""Tests of runengine.cli."""
