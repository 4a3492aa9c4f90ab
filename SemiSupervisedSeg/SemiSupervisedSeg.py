"""The module SemiSupervisedSeg as Slicer sees it. What it does is in SemiSupervisedSegLib."""

from __future__ import annotations

import importlib.util
import sys
import unittest
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

# In a source tree the library lies beside the folder of this file. Installed, it is found without help.
if importlib.util.find_spec("SemiSupervisedSegLib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))


_TUTORIAL = "https://github.com/SemiSupervisedSeg/SlicerSemiSupervisedSeg/blob/main/Docs/tutorial.md"


class SemiSupervisedSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Semi-Supervised Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["Seed 5300f405 maintainers"]
        parent.helpText = (
            _(
                "Train a segmentation model from a few annotated images and many images without annotation, "
                "also from other hospitals; review what it finds, correct it, and train the next round."
            )
            + f' <a href="{_TUTORIAL}">{_("Tutorial")}</a>'
        )
        parent.acknowledgementText = _("The methods come from publications, which the panel names at each of them.")
        # The module Sample Data may be loaded after this one.
        slicer.app.connect("startupCompleted()", self.registerSampleData)

    def registerSampleData(self) -> None:
        """Offer the sample study."""
        from SemiSupervisedSegLib.panel.sample_study import registerSampleData

        registerSampleData(self.resourcePath("Icons/SamplePhantom.png"))


class SemiSupervisedSegWidget(ScriptedLoadableModuleWidget):
    """Puts the panel into Slicer's module area and tells it when it is shown and when it goes."""

    def setup(self) -> None:
        """Make the panel."""
        # Not at the top of the file, which Slicer reads at every start.
        from SemiSupervisedSegLib.panel.widget import Panel

        super().setup()
        self.panel = Panel(Path(self.resourcePath("UI")), slicer.mrmlScene)
        self.layout.addWidget(self.panel.widget)

    def enter(self) -> None:
        """Show the panel when the user chooses the module."""
        self.panel.enter()

    def exit(self) -> None:
        """Leave the panel when the user chooses another module."""
        self.panel.exit()

    def cleanup(self) -> None:
        """Slicer ends, or the module is reloaded."""
        self.panel.cleanup()

    def onReload(self) -> None:
        """Reload the module (the developer's button)."""
        from SemiSupervisedSegLib.panel.reloading import unloadPackage

        unloadPackage()
        super().onReload()


class SemiSupervisedSegTest(ScriptedLoadableModuleTest):
    """Runs the self-tests in Testing/Python: from the button "Reload and Test", and by ctest."""

    def runTest(self) -> None:
        """Run them all and fail if one does."""
        path = Path(__file__).resolve().parent / "Testing" / "Python" / "SemiSupervisedSegSelfTest.py"
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromModule(module))
        self.assertTrue(result.wasSuccessful(), "A self-test failed: see above.")
