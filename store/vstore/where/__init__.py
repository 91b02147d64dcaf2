"""Chooses pictures by an expression over their facts, their paths and the fields of the user."""
