"""What the documents name exists, and no file names the machine on which it was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from SemiSupervisedSegLib import __version__
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from . import readme

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("Docs/*.md"), *ROOT.glob("Testing/**/*.md")])
TEXTS = ("*.md", "*.py", "*.toml", "*.txt", "*.yaml", "*.yml", "*.cff", "*.json", "*.csv", "*.ui", "Makefile")
# Folders of single persons or machines; examples in the documents are relative.
MACHINE_PATHS = re.compile(r"""(?<![\w.:~*)/-])/(?:home|Users|root|mnt|work|workspace|tmp)/\w|[A-Z]:\\\\?Users""")
SKIPPED = {".git", ".venv", "build", "dist", "__pycache__"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text) if target and "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "Docs/development.md", "Testing/README.md"])
def test_paths_in_documents_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:SemiSupervisedSegLib|SemiSupervisedSeg|Testing|Docs|\.github)/[\w./-]+)`", text)
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("method", load_catalogue().methods)
def test_a_method_has_the_three_files_that_the_readme_promises(method):
    for path in (
        f"SemiSupervisedSegLib/engine/methods/{method}.py",
        f"SemiSupervisedSegLib/jobs/methods/{method}.toml",
        f"Testing/engine/methods/test_{method}.py",
    ):
        assert (ROOT / path).is_file(), f"{path} is missing"


def test_the_readme_has_the_methods_of_the_catalogue():
    text = readme.README.read_text(encoding="utf-8")
    assert readme.updated(text) == text, "README.md is behind the catalogue: run make readme"


def test_the_citation_has_the_version_of_the_program():
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_no_file_names_a_folder_of_one_machine():
    found = []
    for pattern in TEXTS:
        for path in ROOT.rglob(pattern):
            if SKIPPED.isdisjoint(path.relative_to(ROOT).parts):
                lines = path.read_text(encoding="utf-8").splitlines()
                found += [
                    f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, 1) if MACHINE_PATHS.search(line)
                ]
    assert not found
