"""Spleeter's stems for lofikit."""
