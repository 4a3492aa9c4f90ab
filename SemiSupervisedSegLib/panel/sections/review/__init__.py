"""The section Review: both segmentations of each case, and what the user decides about them."""
