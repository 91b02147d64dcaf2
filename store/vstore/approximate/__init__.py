"""Approximate indexes: inverted lists of codes that find, in any snapshot, the rows worth an exact score."""
