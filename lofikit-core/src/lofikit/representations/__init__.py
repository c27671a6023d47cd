"""Samples as frames and back: the interface is in ``base``, a file a built-in beside it."""
