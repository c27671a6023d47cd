"""What authors of plugins test them with: suites for each kind of component, and a server."""
