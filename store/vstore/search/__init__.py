"""Search by picture or text, and duplicates."""
