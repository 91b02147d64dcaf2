"""Export: the pictures and vectors of a snapshot in files that other tools read."""
