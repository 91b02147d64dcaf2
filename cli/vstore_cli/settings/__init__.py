"""Options set once for all, by variables of the environment and in the user's file. Import `applying` and `finding`."""
