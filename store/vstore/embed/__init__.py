"""Embedders: from prepared pictures to vectors. Import the protocol from `embedder`, the way to one from `load`."""
