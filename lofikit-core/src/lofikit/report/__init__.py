"""A page to listen in: runs side by side, and blind, in one file that needs nothing else.

:func:`~lofikit.report.takes.make_takes` lets runs go on from the same prompts, and
:func:`~lofikit.report.document.document` makes the page of what they played.
"""
