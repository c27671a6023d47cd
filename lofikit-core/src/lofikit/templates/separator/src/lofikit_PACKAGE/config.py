"""Options of the separator."""

from __future__ import annotations

from lofikit.options import Options, option


class CLASSConfig(Options):
    """Options of ``PACKAGE/NAME``."""

    cutoff: float = option(200.0, "Where low ends and high begins.", unit="Hz", gt=0, le=20_000)
