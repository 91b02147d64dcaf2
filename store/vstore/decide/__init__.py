"""The verbs `decide` and `decisions`: what a user says of sets of pictures, once and for all."""
