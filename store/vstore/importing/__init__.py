"""Takes an index in that another tool made: its vectors, its list of pictures, and the pictures themselves."""
