"""Losses by kind, as pure functions of tensors with their equation in the docstring."""
