# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = ["spleeter==2.4.2"]
# ///
"""Spleeter's networks on pieces of a clip, such that the pieces' seams are not there.

Spleeter's short-time Fourier transform puts a frame of zeros before the clip, and its networks
take segments of ``T`` frames, one independent of the other. A piece here is a run of whole
segments with the samples that its frames reach over, and the inverse transforms of pieces are
overlap-added: what comes out is what spleeter gives for the whole clip, to rounding.
"""

import contextlib
import os

import lofikit_worker
import numpy as np

# Set by start().
networks = None


class Networks:
    """The graph, built once, with its weights."""

    def __init__(self, configuration, checkpoint, wiener, segments):
        import tensorflow as tf
        from spleeter.model import EstimatorSpecBuilder
        from spleeter.utils.configuration import load_configuration
        from spleeter.utils.tensor import pad_and_reshape

        self.params = load_configuration(configuration)
        self.instruments = self.params["instrument_list"]
        self.frame, self.hop = self.params["frame_length"], self.params["frame_step"]
        self.segment = self.params["T"]
        self.wiener, self.piece = wiener, segments * self.segment

        def window(length, dtype):
            return tf.signal.hann_window(length, periodic=True, dtype=dtype)

        def inverse(spectrum):
            """Returns samples of shape (time, channels) of a transform (frames, bins, channels)."""
            samples = tf.signal.inverse_stft(
                tf.transpose(spectrum, [2, 0, 1]), self.frame, self.hop, window_fn=window
            )
            return tf.transpose(samples) * EstimatorSpecBuilder.WINDOW_COMPENSATION_FACTOR

        with tf.Graph().as_default():
            channels = self.params["n_channels"]
            self.samples = tf.compat.v1.placeholder(tf.float32, (None, channels))
            self.spectrum = tf.transpose(
                tf.signal.stft(tf.transpose(self.samples), self.frame, self.hop, window_fn=window),
                [1, 2, 0],
            )
            features = {f"{self.params['mix_name']}_stft": self.spectrum}
            builder = EstimatorSpecBuilder(features, self.params)
            if wiener:
                frames = tf.shape(self.spectrum)[0]
                self.outputs = [
                    pad_and_reshape(
                        builder.model_outputs[f"{name}_spectrogram"], self.frame, self.params["F"]
                    )[:frames]
                    for name in self.instruments
                ]
                bins = self.frame // 2 + 1
                self.filtered = tf.compat.v1.placeholder(tf.complex64, (None, bins, channels))
                self.inverse = inverse(self.filtered)
            else:
                stfts = builder.masked_stfts
                self.outputs = [inverse(stfts[name]) for name in self.instruments]
            self.session = tf.compat.v1.Session()
            tf.compat.v1.train.Saver().restore(self.session, tf.train.latest_checkpoint(checkpoint))

    def pieces(self, mix):
        """Yields the samples that each piece's frames reach over, the last piece's fewer."""
        length = len(mix) + self.frame  # with the frame of zeros before
        frames = -(-length // self.hop)
        for first in range(0, frames, self.piece):
            count = min(self.piece, frames - first)
            begin = first * self.hop - self.frame
            end = begin + (count - 1) * self.hop + self.frame
            part = mix[max(begin, 0) : end]
            before = max(0, -begin)
            yield np.pad(part, ((before, end - begin - before - len(part)), (0, 0)))

    def masked(self, mix):
        """Yields the samples of all stems, piece by piece, as overlap-adding takes them."""
        for part in self.pieces(mix):
            yield self.session.run(self.outputs, {self.samples: part})

    def filtered_by_wiener(self, mix):
        """Does what :meth:`masked` does with a multichannel Wiener filter.

        Its statistics are of a whole piece; a piece is joined to the one before by the last
        segment of that, over which they are faded.
        """
        import norbert

        held = None
        for part in self.pieces(mix):
            *stems, spectrum = self.session.run(
                [*self.outputs, self.spectrum], {self.samples: part}
            )
            magnitudes = np.stack(stems, axis=3)
            if held is not None:
                magnitudes = np.concatenate([held[0], magnitudes])
                spectrum = np.concatenate([held[1], spectrum])
            filtered = norbert.wiener(magnitudes, spectrum)
            overlap = 0
            if held is not None:
                overlap = len(held[0])
                fade = np.linspace(0, 1, overlap, dtype=np.float32)[:, None, None, None]
                filtered[:overlap] = fade * filtered[:overlap] + (1 - fade) * held[2]
            keep = max(0, len(filtered) - self.segment)
            held = magnitudes[keep:], spectrum[keep:], filtered[keep:].copy()
            yield from self._inverted(filtered[:keep])
        yield from self._inverted(held[2])

    def _inverted(self, filtered):
        if len(filtered):
            yield [
                self.session.run(self.inverse, {self.filtered: filtered[..., stem]})
                for stem in range(len(self.instruments))
            ]


def start(**options):
    """Builds the networks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    global networks
    networks = Networks(**options)


def separate(mix, stems):
    """Writes the stems of a file of interleaved stereo float32 samples as files of the same kind.

    Args:
        mix: The file.
        stems: The file of each stem.
    """
    samples = np.memmap(mix, np.float32, "r").reshape(-1, 2)
    pieces = (networks.filtered_by_wiener if networks.wiener else networks.masked)(samples)
    overlap = networks.frame - networks.hop
    tails = {}
    skip, left = networks.frame, len(samples)
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(path, "wb")) for name, path in stems.items()}
        for parts in pieces:
            done = len(parts[0]) - overlap
            for name, part in zip(networks.instruments, parts, strict=True):
                if name in tails:
                    part[:overlap] += tails[name]
                tails[name] = part[done:].copy()
                files[name].write(part[:done][skip:][:left].tobytes())
            left -= min(left, max(0, done - skip))
            skip = max(0, skip - done)
            lofikit_worker.progress(len(samples) - left, len(samples))
        for name, tail in tails.items():
            files[name].write(tail[skip:][:left].tobytes())


if __name__ == "__main__":
    lofikit_worker.serve(separate, start=start)
