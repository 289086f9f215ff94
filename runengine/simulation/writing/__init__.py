"""Simulated runs written down: chunks of columns come in, files go out."""
