"""`thaniya demo`."""
