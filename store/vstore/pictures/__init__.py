"""Pictures outside the store: folders that hold them, and decoders. Import from its modules."""
