"""A first-order Markov chain over spectral codes: the best that an anchor does.

It strings moments of the training's clips together, each a moment that somewhere followed one like
the last. Its sounds are real, and so is what follows what, from one frame to the next; there is no
note, no phrase and no beat that it could know of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lofikit.evaluation.anchors import Anchor, Generator
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.spectrum import Samples

NAME = "code chain"


class CodeChain:
    """Learns which spectrum follows which, and goes on from a prompt by that.

    A spectrum's state is its rough code (the first book of :class:`~lofikit.representations.codes.
    Codes`); after a state comes, by chance, one of the spectra that came after it in a clip, with
    its fine codes.

    Args:
        clips: Samples of each clip, as models are trained on them.
        rate: Their rate in Hz.
    """

    def __init__(self, clips: Sequence[Samples], rate: int) -> None:
        self._codes = Codes(CodesConfig(delay=False), rate)
        self._codes.fit(clips, 0)
        encoded = [self._codes.encode(clip[None])[0] for clip in clips]
        self._frames = np.concatenate(encoded)
        ends = np.cumsum([len(frames) for frames in encoded]) - 1
        before = np.setdiff1d(np.arange(len(self._frames)), ends)  # what has one that follows it
        states = self._frames[before, 0]
        order = np.argsort(states, kind="stable")
        self._after = before[order] + 1  # sorted by the state before
        levels = np.arange(self._codes.spec.levels or 0)
        self._first = np.searchsorted(states[order], levels, "left")
        self._last = np.searchsorted(states[order], levels, "right")

    def anchor(self) -> Anchor:
        """Returns the chain as an anchor."""
        explanation = "Moments of the training clips, each one that followed one like the last."
        return Anchor(NAME, explanation, self.go_on)

    def go_on(self, prompt: Samples, rate: int, length: int, generator: Generator) -> Samples:
        """Plays on from the prompt's last spectrum."""
        hop, overlap = self._codes.spec.hop, self._codes.window - self._codes.spec.hop
        padded = np.pad(prompt, (max(0, self._codes.window - len(prompt)), 0))
        heard = self._codes.encode(padded[None])[0]
        count = -(-(length + overlap) // hop)
        draws = generator.random(count)
        state = int(heard[-1, 0])
        chosen = np.empty(count, np.int64)
        for step in range(count):
            first, last = self._first[state], self._last[state]
            if first == last:  # a state that nothing ever followed: begin anew somewhere
                first, last = 0, len(self._after)
            chosen[step] = self._after[first + int(draws[step] * (last - first))]
            state = int(self._frames[chosen[step], 0])
        decoder = self._codes.decoder(1)
        frames = np.concatenate([heard, self._frames[chosen]])[None]
        samples = np.concatenate([decoder.push(frames), decoder.flush()], axis=1)[0]
        start = len(heard) * hop
        return np.asarray(np.clip(samples[start : start + length], -1.0, 1.0), dtype=np.float32)
