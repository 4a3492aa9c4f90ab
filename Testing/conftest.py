from __future__ import annotations

from hypothesis import settings

# Times differ too much between machines to be a property of the code; examples are the same in every run.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
