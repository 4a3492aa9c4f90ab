"""Behaviour that several methods share: the teacher, input noise, ramps, prototype memory."""
