"""The files of a store, each kind with its reader and writer. `durable` is the one door to the disk."""
