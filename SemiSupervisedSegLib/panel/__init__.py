"""The Slicer module: the sections of its panel, what they know, and the scene; the only room that uses Qt and MRML."""
