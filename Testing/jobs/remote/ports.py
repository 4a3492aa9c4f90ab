"""Ports for servers of tests."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that the system gives to connections, which could take one before its server listens or while it restarts.
_PORTS = range(12_000, 32_000)


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all ports are taken")
