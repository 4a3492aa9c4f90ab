"""The MRML adapter: the only place that touches nodes of the scene."""
