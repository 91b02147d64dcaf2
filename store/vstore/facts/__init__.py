"""The facts of pictures: shown, and filled in."""
