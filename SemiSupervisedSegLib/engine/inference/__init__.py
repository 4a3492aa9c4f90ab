"""Predictions of a trained model: sliding windows, class prototypes, uncertainty, and their files."""
