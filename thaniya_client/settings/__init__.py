"""How the configuration is read: TOML tables become values, and what is wrong is told by file, key and expectation."""
