"""Options of the model."""

from __future__ import annotations

from lofikit.options import Options, option


class CLASSConfig(Options):
    """Options of ``PACKAGE/NAME``."""

    window: int = option(256, "Predictions of a training example.", unit="frames", ge=1)
    smoothing: float = option(0.1, "Count that each class has beforehand.", unit="frames", gt=0)
