"""Markov chains with back-off, as a model of lofikit."""
