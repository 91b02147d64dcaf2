"""The vectors of the pictures of a snapshot as arrays, for programs."""
