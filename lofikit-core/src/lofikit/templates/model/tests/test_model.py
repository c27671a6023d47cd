"""lofikit's suites on the model, and on the package as a whole."""

from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE
from lofikit.testing.models import ModelSuite
from lofikit.testing.plugins import PluginSuite


class TestCLASS(ModelSuite):
    component = "PACKAGE/NAME"
    options = {"window": 64}
    specs = (CLASSES,)
    unsupported = (REAL, WIDE, CODES)


class TestPlugin(PluginSuite):
    distribution = "lofikit-PACKAGE"
