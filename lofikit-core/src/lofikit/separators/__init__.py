"""Taking a clip apart into stems: the interface is in ``base``, a file a built-in beside it."""
