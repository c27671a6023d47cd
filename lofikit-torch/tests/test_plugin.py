"""The plugin as a whole, under core's suite."""

from lofikit.testing.plugins import PluginSuite


class TestPlugin(PluginSuite):
    distribution = "lofikit-torch"
