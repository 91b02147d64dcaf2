"""The verb `export`: pictures and vectors of a snapshot in files that other tools read. Import `run`."""
