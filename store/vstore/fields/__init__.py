"""The fields of pictures: listed, set, taken away, read from files and written to them."""
