"""The vectors of a store as arrays: those of a snapshot, and those of pictures that a program brings."""
