"""Codes of spectra: the suite, the laws of their books, and what they keep of music."""

from typing import ClassVar

from lofikit.testing.representations import RepresentationSuite


class TestCodes(RepresentationSuite):
    component = "core/codes"


class TestCodesWithoutDelay(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"delay": False, "books": 2, "levels": 64, "components": 24}
