"""Worker processes that embed, one for each device. Import `pool` and `worker` from here."""
