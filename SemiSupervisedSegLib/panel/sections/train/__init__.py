"""The section Train: method and settings, the running round and its live preview."""
