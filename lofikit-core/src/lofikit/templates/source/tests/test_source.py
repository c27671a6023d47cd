"""lofikit's suites on the source, and on the package as a whole."""

from lofikit.testing.plugins import PluginSuite
from lofikit.testing.sources import SourceSuite


class TestCLASS(SourceSuite):
    component = "PACKAGE/NAME"
    options = {"clips": 3, "seconds": 1.0}


class TestPlugin(PluginSuite):
    distribution = "lofikit-PACKAGE"
