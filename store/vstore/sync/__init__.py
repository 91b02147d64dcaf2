"""`sync` and `status`: keep a store up to date with what lies in folders, at the cost of what changed."""
