"""lofikit's suites on the representation, and on the package as a whole."""

from lofikit.testing.plugins import PluginSuite
from lofikit.testing.representations import RepresentationSuite


class TestCLASS(RepresentationSuite):
    component = "PACKAGE/NAME"


class TestOneSampleAFrame(RepresentationSuite):
    component = "PACKAGE/NAME"
    options = {"frame": 1}


class TestPlugin(PluginSuite):
    distribution = "lofikit-PACKAGE"
