"""Models of sequences of frames: the interface is in ``base``, the baseline beside it."""
