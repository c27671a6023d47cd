"""The components that come with core."""

from __future__ import annotations

from lofikit.hookspecs import Component, Kind, hookimpl


def _component(kind: Kind, name: str, summary: str, module: str, stem: str) -> Component:
    return Component(
        kind=kind,
        name=f"core/{name}",
        summary=summary,
        target=f"lofikit.{module}:{stem}",
        config=f"lofikit.{module}:{stem}Config",
    )


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns core's sources, separator, representations and baseline."""
    return [
        _component(
            "source", "folder", "Audio files in a folder of yours.", "sources.folder", "Folder"
        ),
        _component(
            "source",
            "synthetic",
            "A seeded lo-fi beat maker, with true stems.",
            "sources.synthetic",
            "Synthetic",
        ),
        _component(
            "source", "urls", "Files on the web, from a CSV list of yours.", "sources.urls", "Urls"
        ),
        _component(
            "separator",
            "hpss",
            "Percussive and harmonic stems by median filtering (librosa).",
            "separators.hpss",
            "HPSS",
        ),
        _component("representation", "raw", "Samples as they are.", "representations.raw", "Raw"),
        _component(
            "representation",
            "mulaw",
            "Samples as classes on a mu-law scale.",
            "representations.mulaw",
            "MuLaw",
        ),
        _component(
            "representation",
            "stft",
            "Frames of a discrete Fourier transform (the paper's).",
            "representations.stft",
            "STFT",
        ),
        _component(
            "representation",
            "mdct",
            "Frames of a lapped cosine transform: as many values as samples, no jumps.",
            "representations.mdct",
            "MDCT",
        ),
        _component(
            "representation",
            "codes",
            "Magnitude spectra in a few class ids a frame, learned from the clips.",
            "representations.codes",
            "Codes",
        ),
        _component(
            "model",
            "linear",
            "Linear prediction: the baseline that every other model must beat.",
            "models.linear",
            "Linear",
        ),
    ]
