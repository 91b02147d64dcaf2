"""The files of a store, each kind with its reader and writer."""
