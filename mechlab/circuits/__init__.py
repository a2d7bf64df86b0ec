"""Claims of cause: what in a model brings about what."""
