"""The command line of vstore: words in, words out."""
