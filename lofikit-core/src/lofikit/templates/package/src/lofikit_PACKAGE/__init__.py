"""A KIND for lofikit."""
