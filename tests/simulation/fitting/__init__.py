"""Tests of `runengine.simulation.fitting`."""
