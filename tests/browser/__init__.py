"""Tests in a browser; skipped with a reason where there is none."""
