"""lofikit's suites on the separator, and on the package as a whole."""

from lofikit.testing.plugins import PluginSuite
from lofikit.testing.separators import SeparatorSuite


class TestCLASS(SeparatorSuite):
    component = "PACKAGE/NAME"


class TestPlugin(PluginSuite):
    distribution = "lofikit-PACKAGE"
