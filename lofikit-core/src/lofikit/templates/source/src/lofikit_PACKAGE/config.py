"""Options of the source."""

from __future__ import annotations

from lofikit.options import Options, option


class CLASSConfig(Options):
    """Options of ``PACKAGE/NAME``."""

    clips: int = option(4, "Clips.", unit="clips", ge=1)
    seconds: float = option(10.0, "Length of a clip.", unit="s", gt=0, le=3600)
    sample_rate: int = option(22_050, "Sample rate.", unit="Hz", ge=4_000, le=192_000)
