"""Watches folders of pictures, and syncs a moment after changes settle."""
