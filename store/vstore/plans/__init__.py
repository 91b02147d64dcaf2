"""Plans: which copies of pictures are moved away, read and edited by the user, carried out, and taken back."""
