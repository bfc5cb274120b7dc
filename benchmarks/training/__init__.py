"""A training: what is trained, with which optimizer, and many of them at a time."""
