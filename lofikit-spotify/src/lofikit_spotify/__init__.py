"""Previews of tracks from Spotify."""

__version__ = "0.1.0"
