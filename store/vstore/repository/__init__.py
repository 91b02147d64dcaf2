"""An open store: its form, names, snapshots, places and spaces."""
