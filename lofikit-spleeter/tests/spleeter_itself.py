# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = ["spleeter==2.4.2"]
# ///
"""Runs spleeter without lofikit, to compare with: its separator, and random weights for it.

spleeter_itself.py separate MODELS IN.f32 OUT
spleeter_itself.py random CONFIGURATION FOLDER
"""

import os
import sys

import numpy as np


def separate(models, source, target):
    """Separates interleaved stereo float32 samples by a mask, and to 16 kHz by a Wiener filter."""
    os.environ["MODEL_PATH"] = models
    from spleeter.separator import Separator

    samples = np.fromfile(source, np.float32).reshape(-1, 2)
    for configuration, wiener, name in (
        ("spleeter:2stems", False, "mask"),
        ("spleeter:2stems-16kHz", True, "wiener"),
    ):
        separator = Separator(configuration, MWF=wiener, multiprocess=False)
        np.savez(f"{target}/{name}.npz", **separator.separate(samples))


def random(configuration, folder):
    """Saves a network as it is before any training."""
    import tensorflow as tf
    from spleeter.model import EstimatorSpecBuilder
    from spleeter.utils.configuration import load_configuration

    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(1)
        waveform = tf.compat.v1.placeholder(tf.float32, (None, 2))
        builder = EstimatorSpecBuilder({"waveform": waveform}, load_configuration(configuration))
        assert builder.outputs  # asking for them builds the graph
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, f"{folder}/model")


if __name__ == "__main__":
    {"separate": separate, "random": random}[sys.argv[1]](*sys.argv[2:])
