"""The paper's figures: waveforms, spectrograms, the effect of the sample rate, the loss by phase.

Each function returns a :class:`matplotlib.figure.Figure`, and :func:`save` writes it. pyplot is
not used, so nothing is left behind in the process and no display is needed. All figures can be
read in grey: what differs, differs in lightness, line style or marker. An hour of audio is drawn
from as many columns as ten seconds.

Importing this package imports matplotlib.
"""

from lofikit.figures.losses import loss
from lofikit.figures.sample_rates import rates
from lofikit.figures.sheet import FORMATS, MAX_ROWS, check_format, encode, save
from lofikit.figures.spectra import FLOOR
from lofikit.figures.takes import Take, spectrogram, waveform

__all__ = [
    "FLOOR",
    "FORMATS",
    "MAX_ROWS",
    "Take",
    "check_format",
    "encode",
    "loss",
    "rates",
    "save",
    "spectrogram",
    "waveform",
]
