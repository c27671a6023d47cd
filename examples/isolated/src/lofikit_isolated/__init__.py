"""A separator for lofikit whose library needs an environment of its own."""
