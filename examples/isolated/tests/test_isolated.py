"""The separator under lofikit's suites, and its library beside another of the same name."""

from contextlib import closing

import numpy as np
from lofikit_isolated.config import BandsConfig
from lofikit_isolated.separator import Bands

from lofikit.audio import Audio
from lofikit.testing.components import music
from lofikit.testing.plugins import PluginSuite
from lofikit.testing.separators import SeparatorSuite


class TestBands(SeparatorSuite):
    component = "isolated/bands"


class TestPlugin(PluginSuite):
    distribution = "lofikit-isolated"


def test_the_library_is_another_than_ours_and_parts_the_music() -> None:
    with closing(Bands(BandsConfig(cutoff=250.0))) as bands:
        assert bands.library_version() == "1.26.4"
        clip = Audio(music(22_050, 22_050), 22_050)
        stems = bands.separate(clip)
    power = {name: np.abs(np.fft.rfft(stem.samples[0])) ** 2 for name, stem in stems.items()}
    above = np.fft.rfftfreq(22_050, 1 / 22_050) > 400
    assert power["bass"][above].sum() < 0.02 * power["treble"][above].sum()
    np.testing.assert_allclose(
        stems["bass"].samples + stems["treble"].samples, clip.samples, atol=1e-6
    )
