"""Options of the model."""

from __future__ import annotations

from lofikit.options import Options, option


class ChainConfig(Options):
    """Options of ``markov/chain``."""

    order: int = option(2, "Past frames of the longest context.", unit="frames", ge=1, le=16)
    detail: int = option(
        32,
        "Classes that frames of a context before the last are told apart by; fewer are seen more "
        "often, and mean less.",
        ge=2,
    )
    trust: float = option(
        128.0, "Weight of what shorter contexts say, against one count each.", unit="frames", gt=0
    )
    bits: int = option(
        14, "Contexts of one length share a table of 2 to this power rows.", ge=4, le=22
    )
    window: int = option(1024, "Predictions of a training example.", unit="frames", ge=1)
