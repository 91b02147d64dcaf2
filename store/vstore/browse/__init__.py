"""Looks at what snapshots hold: lists paths, finds pictures by their names, shows one picture."""
