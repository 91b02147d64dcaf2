"""Mending a damaged store; `run` begins it."""
