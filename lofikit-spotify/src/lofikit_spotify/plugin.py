"""What lofikit-spotify offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the source."""
    return [
        Component(
            kind="source",
            name="spotify/spotify",
            summary="Previews of tracks on Spotify, if you have permission to use them.",
            target="lofikit_spotify.source:Spotify",
            config="lofikit_spotify.config:SpotifyConfig",
        )
    ]
