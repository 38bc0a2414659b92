"""Slow, obvious twins of every kernel: plain Python loops a reader can check by eye, one module per room."""
