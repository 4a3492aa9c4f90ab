"""The section Cases: the images of the study, their roles, and their annotation."""
