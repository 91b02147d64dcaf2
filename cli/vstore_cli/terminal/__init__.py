"""Texts on a terminal: their cells and colours, columns that fit, lines broken between words."""
