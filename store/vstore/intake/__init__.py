"""Files to keys to vectors: shared by the operations that take pictures in."""
