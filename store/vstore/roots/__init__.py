"""The synced folders themselves: lists them, takes one out, gives one another label."""
