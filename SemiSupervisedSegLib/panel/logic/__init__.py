"""What the panel decides, free of Qt, VTK and Slicer."""
