"""lofikit: train sequence models on lo-fi music and generate more of it.

This file imports nothing, so that ``lofikit --help`` starts at once. Import what you need from
the module that owns it, for example ``from lofikit.library import Library``.
"""

__version__ = "0.1.0"
