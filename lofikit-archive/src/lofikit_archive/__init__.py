"""Music from the Internet Archive."""

__version__ = "0.1.0"
