"""Options of the separator."""

from __future__ import annotations

from lofikit.options import Options, option


class BandsConfig(Options):
    """Options of ``isolated/bands``."""

    cutoff: float = option(250.0, "Where bass ends and treble begins.", unit="Hz", gt=0, le=20_000)
