"""The compiled CPU engine: networks as NumPy arrays, stepped frame by frame.

`lofikit.streaming.network` describes a network; `lofikit.streaming.engine` says whether it can
stream one and opens the stream. numba is imported when a stream is opened, not before.
"""
