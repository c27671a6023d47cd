"""Where music comes from: the interface is in ``base``, a file a built-in beside it."""
