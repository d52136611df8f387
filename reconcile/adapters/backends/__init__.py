"""Where state, journal and lock are kept; every backend passes one contract suite."""
