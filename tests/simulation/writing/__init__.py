"""Tests of runengine.simulation.writing."""
