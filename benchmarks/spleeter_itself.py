# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = ["spleeter==2.4.2"]
# ///
"""Spleeter's own Separator as a worker, for separation.py to compare with."""

import os
import time

import lofikit_worker
import numpy as np


def start(models):
    """Builds the separator as spleeter's documentation does, in one process."""
    os.environ["MODEL_PATH"] = models
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    global separator
    from spleeter.separator import Separator

    separator = Separator("spleeter:2stems", multiprocess=False)


def separate(mix, stems):
    """Separates a file of interleaved stereo float32 samples; returns the seconds it took."""
    samples = np.fromfile(mix, np.float32).reshape(-1, 2)
    began = time.perf_counter()
    found = separator.separate(samples)
    took = time.perf_counter() - began
    for name, file in stems.items():
        found[name].astype(np.float32).tofile(file)
    return took


lofikit_worker.serve(separate, start=start)
