from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hypothesis import settings

# Times differ too much between machines to be a property of the code; examples are the same in every run.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """A block in which the system refuses files larger than some bytes to this process, as a disk does that gets full.

    It holds the call under test and nothing else: the limit is on what the test runner prints into a file, too.
    """
    resource = pytest.importorskip("resource", reason="limits of processes are set otherwise on this system")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
