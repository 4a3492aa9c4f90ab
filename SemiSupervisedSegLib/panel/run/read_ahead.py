"""Files of the cases that the user will probably see next, read by another process while this one is looked at.

A thread would not do: threads of Python stand still in Slicer while Qt waits for the user.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from ..logic.case_files import FileContent, FileRequest, read_content
from ..logic.read_ahead_process import decode_content, encode_request
from ..services import Services
from .processes import isRunning, makeProcess, startPython

_ARGUMENTS = ("-m", "SemiSupervisedSegLib.panel.logic.read_ahead_process")
# Three cases of 512 x 512 x 200 voxels with both results, or all of a study of small ones.
_MOST_BYTES = 1 << 30
_END_MILLISECONDS = 1000


class ReadAhead:
    """Reads files, of which some are ready because they were expected.

    Args:
        services: Services, of which it uses the Python of the worker.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._process: qt.QProcess | None = None
        self._expected: list[FileRequest] = []
        self._urgent: list[FileRequest] = []
        self._whenRead: Callable[[], None] | None = None
        self._ready: dict[FileRequest, dict[str, Any]] = {}
        self._asked: FileRequest | None = None
        self._failed = False

    @property
    def isWaiting(self) -> bool:
        """Whether something expected is still being read."""
        return self._asked is not None

    def isReady(self, request: FileRequest) -> bool:
        """Return whether a file was read ahead and is still as it was then."""
        entry = self._ready.get(request)
        try:
            return bool(entry) and tuple(entry["stamp"]) == request.stamp()
        except OSError:
            return False

    def read(self, request: FileRequest) -> FileContent:
        """Return what a file contains, at once if it was expected; raises UserError when it cannot be read."""
        if self.isReady(request):
            # Somebody may have emptied the folder of temporary files.
            with contextlib.suppress(OSError, ValueError):
                return decode_content(self._ready[request])
        return read_content(request)

    def prepare(self, requests: list[FileRequest], whenRead: Callable[[], None]) -> bool:
        """Read files before all others and call `whenRead` then; it replaces what was to be prepared before.

        Returns whether there is anything to wait for; otherwise `whenRead` is not called.
        """
        self._urgent, self._whenRead = list(requests), None
        if self._isPrepared() or not self._start():
            self._urgent = []
            return False
        self._whenRead = whenRead
        self._ask()
        return True

    def expect(self, requests: list[FileRequest]) -> None:
        """Read some files ahead, the first ones first, and drop what was read ahead before and is not among them."""
        self._expected = list(dict.fromkeys(requests))
        for request in [request for request in self._ready if not self._isWanted(request)]:
            self._drop(request)
        # It takes a second to start, which is better over when the first image is to be shown.
        self._start()
        self._ask()

    def cleanup(self) -> None:
        """End the process, which removes its files."""
        folders = {Path(entry["file"]).parent for entry in self._ready.values() if entry and entry["file"]}
        self._expected, self._ready, self._asked, self._failed = [], {}, None, True
        self._urgent, self._whenRead = [], None
        if self._process is not None:
            process, self._process = self._process, None
            process.closeWriteChannel()
            if isRunning(process) and not process.waitForFinished(_END_MILLISECONDS):
                process.kill()
                process.waitForFinished(_END_MILLISECONDS)
            process.deleteLater()
        for folder in folders:
            # What a process that had to be killed leaves.
            shutil.rmtree(folder, ignore_errors=True)

    def _ask(self) -> None:
        """Ask for the next file that is wanted, one at a time so that a change of mind costs little."""
        wanted = self._expected if self._isPrepared() else self._urgent
        following = next((request for request in wanted if self._isMissing(request)), None)
        isFull = wanted is self._expected and self._bytes() > _MOST_BYTES
        if self._asked is not None or following is None or isFull or not self._start():
            return
        self._asked = following
        self._process.write(qt.QByteArray(encode_request(following)))

    def _isPrepared(self) -> bool:
        return not any(self._isMissing(request) for request in self._urgent)

    def _isWanted(self, request: FileRequest) -> bool:
        return request in self._expected or request in self._urgent

    def _isMissing(self, request: FileRequest) -> bool:
        # One that cannot be read has an empty entry.
        return request not in self._ready or (bool(self._ready[request]) and not self.isReady(request))

    def _start(self) -> bool:
        """Start the process if there is none, and return whether there is one; one that fails is not tried again."""
        if self._process is None and not self._failed:
            self._process = makeProcess(self._services)
            self._process.connect("readyReadStandardOutput()", self._take)
            self._process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: self._end())
            startPython(self._process, self._services, _ARGUMENTS)
        return self._process is not None

    def _end(self) -> None:
        # The object may be gone already: the application owns it, and ends.
        self._failed, self._asked, self._ready, self._process = True, None, {}, None
        # The panel reads them itself.
        self._tell()

    def _take(self) -> None:
        while self._process is not None and self._process.canReadLine():
            entry = json.loads(self._process.readLine().data())
            request, self._asked = self._asked, None
            self._drop(request)
            self._ready[request] = entry
            if not self._isWanted(request):
                self._drop(request)
        if self._isPrepared():
            self._tell()
        self._ask()

    def _tell(self) -> None:
        """Tell that what was to be prepared is read, once."""
        whenRead, self._whenRead, self._urgent = self._whenRead, None, []
        if whenRead is not None:
            whenRead()

    def _drop(self, request: FileRequest) -> None:
        entry = self._ready.pop(request, None)
        if entry and entry["file"]:
            # On Windows a file that is still in use stays until the process ends.
            with contextlib.suppress(OSError):
                Path(entry["file"]).unlink()

    def _bytes(self) -> int:
        files = (Path(entry["file"]) for entry in self._ready.values() if entry and entry["file"])
        return sum(file.stat().st_size for file in files if file.exists())
