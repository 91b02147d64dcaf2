"""Files to keys to vectors, shared by the operations that take pictures in. Import from its modules."""
