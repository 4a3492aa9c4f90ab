"""Stands for Slicer's module SampleData: what is offered is kept, and nothing is ever downloaded."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

import slicer


@dataclass(frozen=True)
class SampleDataSource:
    """One entry of the module; a click on it calls `customDownloader` with the entry itself."""

    sampleName: str
    uris: list[str]
    fileNames: list[str]
    customDownloader: Any
    thumbnailFileName: str


class SampleDataLogic:
    """Keeps the entries by category in slicer.modules.sampleDataSources, as Slicer does."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: str | None = None,
        fileNames: str | None = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
    ) -> None:
        """Offer an entry, once; like Slicer's it cannot do without an address and a file name."""
        if not isinstance(uris, str) or not isinstance(fileNames, str):
            raise TypeError("Slicer's SampleDataSource cannot be made without uris and fileNames.")
        sources = vars(slicer.modules).setdefault("sampleDataSources", {}).setdefault(category, [])
        made = SampleDataSource(sampleName, [uris], [fileNames], customDownloader, thumbnailFileName)
        if made not in sources:
            sources.append(made)


def makeSampleData() -> types.ModuleType:
    """The module `SampleData`."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource
    return module
