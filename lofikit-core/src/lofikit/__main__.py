"""``python -m lofikit``."""

from lofikit.cli.main import main

main()
