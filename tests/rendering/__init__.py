"""Tests of `runengine.rendering` and of `runengine draw`, which writes what it renders."""
