"""How good a run is: on clips that it was not trained on, and when it runs free.

Bits and prediction gains are measured in :mod:`~lofikit.evaluation.held_out`, one prediction after
another. What a run plays when it hears only itself is measured in
:mod:`~lofikit.evaluation.listening`.
"""

from lofikit.evaluation.held_out import Score, bits, held_out_scores
from lofikit.evaluation.listening import FIGURES, Figure, measure

__all__ = ["FIGURES", "Figure", "Score", "bits", "held_out_scores", "measure"]
