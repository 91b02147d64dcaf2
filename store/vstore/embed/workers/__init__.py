"""Worker processes that embed, one per device."""
