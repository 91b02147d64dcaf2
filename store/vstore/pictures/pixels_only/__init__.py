"""Copies of pictures without what makes no pixels, for those whose text, profile or end is damaged. Pure."""
