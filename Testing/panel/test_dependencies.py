"""What training needs is found missing, installed from a button, and never imported."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import slicer
from packaging.requirements import Requirement

from SemiSupervisedSegLib.panel import dependencies
from SemiSupervisedSegLib.study.errors import UserError

from ..slicer_stand_in.installing import makePyTorchUtils

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def requirements(tmp_path):
    """A file of packages that are certainly there, with torch and monai as names to be declared missing."""
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\ntorch>=2.6\nmonai>=1.5\npytest>=7\n")
    return path


@pytest.fixture
def extension(packaging, monkeypatch):
    """The extension PyTorch is there."""
    module = makePyTorchUtils(packaging)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return module


def test_the_module_asks_for_what_the_package_asks_for():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = [str(item) for item in slicer.packaging.load_requirements(dependencies._PLACES[0] / "requirements.txt")]
    # Slicer brings the others, and pip must not replace them.
    bundled = ("numpy", "scipy", "SimpleITK")
    wanted = [item for item in packages if not item.startswith(bundled)]
    assert sorted(asked) == sorted(str(Requirement(item)) for item in wanted)


def test_versions_are_named_and_absent_ones_are_empty(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("pytest>=7\nno-such-package-anywhere>=1\n")
    installer = dependencies.PackageInstaller(path)
    assert installer.versions() == {"pytest": pytest.__version__, "no-such-package-anywhere": ""}
    assert installer.missing() == ("no-such-package-anywhere>=1",)


def test_torch_comes_first_and_through_its_extension(packaging, requirements, extension, monkeypatch):
    packaging.missing = {"torch", "monai"}
    calls = []
    original = extension.PyTorchUtilsLogic.installTorch
    monkeypatch.setattr(
        extension.PyTorchUtilsLogic, "installTorch", lambda self, **options: calls.append(options) or original(self)
    )
    installer = dependencies.PackageInstaller(requirements)
    assert installer.missing() == ("torch>=2.6", "monai>=1.5")
    installer.install()
    assert calls == [{"askConfirmation": True, "torchVersionRequirement": ">=2.6"}]
    assert packaging.installed == ["torch", "monai>=1.5"]
    assert installer.missing() == ()


def test_nothing_is_installed_when_all_is_there(packaging, tmp_path):
    (tmp_path / "requirements.txt").write_text("pytest>=7\n")
    assert "is installed" in dependencies.PackageInstaller(tmp_path / "requirements.txt").install()
    assert packaging.installed == []


@pytest.mark.parametrize("absent", ["torch", "monai"])
def test_declining_is_said_in_words(packaging, requirements, extension, absent):
    packaging.missing, packaging.declines = {absent}, True
    with pytest.raises(UserError, match="did not agree"):
        dependencies.PackageInstaller(requirements).install()
    assert packaging.installed == []


def test_without_the_extension_its_installation_is_the_advice(packaging, requirements):
    packaging.missing = {"torch", "monai"}
    with pytest.raises(UserError, match="Extensions Manager"):
        dependencies.PackageInstaller(requirements).install()
    assert packaging.installed == []


def test_after_a_restart_in_the_middle_only_the_rest_is_installed(packaging, requirements, extension, monkeypatch):
    packaging.missing = {"torch", "monai"}

    class Restarted(BaseException):
        """Slicer is closed, or ends with the computer."""

    def end(*arguments, **options):
        raise Restarted

    with monkeypatch.context() as interrupted, pytest.raises(Restarted):
        interrupted.setattr(packaging, "pip_ensure", end)
        dependencies.PackageInstaller(requirements).install()
    after = dependencies.PackageInstaller(requirements)
    assert after.missing() == ("monai>=1.5",)
    assert "is installed" in after.install()
    assert packaging.installed == ["torch>=2.6", "monai>=1.5"]


def test_files_of_a_package_whose_installation_broke_off_are_not_taken_for_it(packaging, tmp_path, monkeypatch):
    # pip unpacks what describes a package after its code.
    (tmp_path / "half_installed").mkdir()
    (tmp_path / "half_installed" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "requirements.txt").write_text("half-installed>=1\n")
    installer = dependencies.PackageInstaller(tmp_path / "requirements.txt")
    assert installer.versions() == {"half-installed": ""}
    assert installer.missing() == ("half-installed>=1",)


def test_a_failed_installation_is_said_in_words(packaging, requirements, monkeypatch):
    packaging.missing = {"monai"}

    def fail(*arguments, **options):
        raise subprocess.CalledProcessError(1, "pip install")

    monkeypatch.setattr(packaging, "pip_ensure", fail)
    with pytest.raises(UserError, match=r"installation failed.*disk space"):
        dependencies.PackageInstaller(requirements).install()


def test_an_installation_that_was_skipped_is_not_taken_for_success(packaging, requirements, monkeypatch):
    packaging.missing = {"monai"}
    monkeypatch.setattr(packaging, "pip_ensure", lambda *arguments, **options: None)
    with pytest.raises(UserError, match="still missing: monai"):
        dependencies.PackageInstaller(requirements).install()


def test_slicer_before_packaging_is_told_so(requirements, monkeypatch):
    monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    with pytest.raises(UserError, match=r"Slicer 5\.11"):
        dependencies.PackageInstaller(requirements).missing()
