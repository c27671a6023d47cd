"""Options of the representation."""

from __future__ import annotations

from lofikit.options import Options, option


class CLASSConfig(Options):
    """Options of ``PACKAGE/NAME``."""

    frame: int = option(16, "Samples a frame.", unit="samples", ge=1, le=65_536)
