"""What Slicer's Extensions Index checks and asks of an extension, as far as it can be checked without the internet."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cmake_lists import ROOT

# Keys and types of schema 1.0.2 of the index.
SCHEMA = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "scm_revision": str,
    "scm_url": str,
    "tier": int,
}
SCHEMA_URL = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
DESCRIPTION = ROOT / "Docs" / "SemiSupervisedSeg.json"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
VALUES = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', CMAKE, re.MULTILINE))
MODULE = ROOT / "SemiSupervisedSeg" / "SemiSupervisedSeg.py"
LIBRARY = ROOT / "SemiSupervisedSegLib"
NETWORK = {"ftplib", "http", "httpx", "requests", "smtplib", "ssl", "urllib", "urllib3", "xmlrpc"}


@pytest.fixture
def entry():
    return json.loads(DESCRIPTION.read_text(encoding="utf-8"))


def test_the_description_follows_the_schema_of_today(entry):
    assert {key: type(value) for key, value in entry.items()} == SCHEMA
    assert entry["$schema"] == SCHEMA_URL
    assert 1 <= entry["tier"] <= 5
    assert b"\r" not in DESCRIPTION.read_bytes()
    assert list(entry) == sorted(entry)


def test_names_are_as_the_index_wants_them(entry):
    name = re.search(r"project\((\w+)\)", CMAKE).group(1)
    assert name == DESCRIPTION.stem
    assert not name.lower().startswith("slicer")
    assert entry["scm_url"].startswith("https://")
    assert entry["scm_url"].rsplit("/", 1)[1] == f"Slicer{name}"


def test_description_and_cmake_agree(entry):
    assert entry["scm_url"] == VALUES["HOMEPAGE"]
    assert entry["category"] == VALUES["CATEGORY"]
    assert entry["build_dependencies"] == VALUES["DEPENDS"].split()


def test_icon_and_screenshots_are_raw_addresses_of_pictures_in_the_repository(entry):
    base = entry["scm_url"].replace("github.com", "raw.githubusercontent.com") + f"/{entry['scm_revision']}/"
    urls = [VALUES["ICONURL"], *VALUES["SCREENSHOTURLS"].split()]
    assert len(urls) > 1
    for url in urls:
        assert url.startswith(base)
        assert (ROOT / url.removeprefix(base)).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_contributors_are_the_same_everywhere():
    contributors = VALUES["CONTRIBUTORS"]
    assert f'parent.contributors = ["{contributors}"]' in MODULE.read_text(encoding="utf-8")
    assert f"- name: {contributors}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_help_leads_to_the_tutorial(entry):
    links = re.findall(r'"(https://[^"]+)"', MODULE.read_text(encoding="utf-8"))
    base = f"{entry['scm_url']}/blob/{entry['scm_revision']}/"
    assert links == [f"{base}Docs/tutorial.md"]
    assert (ROOT / links[0].removeprefix(base)).is_file()


def test_license_is_at_the_root_and_named_on_the_homepage():
    text = (ROOT / "LICENSE.txt").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0" in text
    assert "[Apache License 2.0](LICENSE.txt)" in readme


def test_nothing_opens_a_connection_or_calls_pip():
    for path in _sources():
        imported = {name.split(".")[0] for name in _imports(ast.walk(_parsed(path)))}
        assert not imported & NETWORK, path
        found = re.search(r"pip_install|socket\.socket|create_connection", path.read_text(encoding="utf-8"))
        assert not found, (path, found)


def test_files_that_are_imported_only_define():
    """The exception makes the library importable from a source tree."""
    for path in _sources():
        acting = [
            ast.unparse(item)
            for item in _parsed(path).body
            if isinstance(item, ast.For | ast.While | ast.With | ast.Try) or _is_call(item)
        ]
        assert not acting, path
    conditions = [ast.unparse(item.test) for item in _parsed(MODULE).body if isinstance(item, ast.If)]
    assert conditions == ["importlib.util.find_spec('SemiSupervisedSegLib') is None"]


def _sources() -> list[Path]:
    return [MODULE, *LIBRARY.rglob("*.py")]


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def _is_call(item: ast.stmt) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Call)
