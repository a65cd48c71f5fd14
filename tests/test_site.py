"""The site as Markdown, and what follows from the settings of the project."""

import pkgutil
import re
import runpy
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES: Any = runpy.run_path(str(DOCS / "pages.py"))
SOURCES = [*DOCS.glob("*.md"), *DOCS.glob("[!_]*/*.md")]  # not of docs/_build
NAMES = sorted(page.relative_to(DOCS).with_suffix("").as_posix() for page in SOURCES)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_plain_markdown(name: str) -> None:
    text = PAGES["as_markdown"](name)
    assert text.startswith("# ")
    assert [
        mark for mark in ("{eval-rst}", "{toctree}", "<!-- setup", "autofunction::") if mark in text
    ] == []
    for link in re.findall(r"\]\(([\w./-]+\.md)", text):
        assert (DOCS / name).parent.joinpath(link).resolve().exists(), link


def test_a_page_that_stands_elsewhere_has_its_text() -> None:
    assert PAGES["as_markdown"]("changelog").startswith("# Changelog\n\nHere you find")
    assert "](inside.md)" in PAGES["as_markdown"]("architecture")


def test_the_page_of_examples_has_each_of_them() -> None:
    text = PAGES["as_markdown"]("examples")
    scripts = [*ROOT.glob("examples/*.py"), ROOT / "examples/workers/app.py"]
    assert len(scripts) > 8
    for script in scripts:
        assert f"```python\n{script.read_text('utf-8')}```" in text


def test_the_reference_has_signatures_and_docstrings() -> None:
    text = PAGES["as_markdown"]("reference/stream")
    assert "#### `Stream.debounce(self, seconds: " in text
    assert "An item when none has come after it" in text
    assert "collections.abc" not in text
    errors = PAGES["as_markdown"]("reference/errors")
    assert "### `anystream.StreamBusyError" in errors


def test_the_map_has_every_page_once() -> None:
    text = PAGES["llms_txt"]()
    assert text.startswith("# anystream\n\n> Streams for structured concurrency in Python")
    listed = re.findall(r"^- \[.+?\]\((\S+)\.md\): (.+)$", text, re.MULTILINE)
    assert sorted(name for name, _ in listed) == [name for name in NAMES if name != "index"]
    assert all(told.endswith(".") for _, told in listed)


def test_one_setting_fills_the_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    interface: Any = ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    for package in ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["Urls"]()
    metadata: dict[str, Any] = {}
    hook.config = {"repository": "https://github.com/owner/name/"}
    hook.update(metadata)
    assert metadata["urls"]["Issues"] == "https://github.com/owner/name/issues"
    for url in metadata["urls"].values():
        path = url.partition("/blob/main/")[2]
        assert (ROOT / path).exists()
    hook.config = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]
    hook.update(metadata)
    assert bool(metadata["urls"]) == bool(hook.config["repository"])


def test_the_conda_recipe_is_that_of_the_project() -> None:
    recipe = (ROOT / "conda" / "recipe.yaml").read_text("utf-8")
    project = PYPROJECT["project"]
    assert f'version: "{project["version"]}"' in recipe
    assert f'python_min: "{project["requires-python"].removeprefix(">=")}"' in recipe
    assert project["description"] in recipe
    plain = recipe.replace(" >=", ">=")
    bounds = [*project["dependencies"], *PYPROJECT["build-system"]["requires"]]
    bounds += [*project["optional-dependencies"]["trio"], *project["optional-dependencies"]["http"]]
    assert [bound for bound in bounds if f"- {bound}\n" not in plain] == []
    for name, target in project["scripts"].items():
        assert f"- {name} = {target}\n" in recipe


def test_since_names_what_there_is() -> None:
    module = runpy.run_path(str(DOCS / "since.py"))
    assert module["since"]("anystream.Stream.map") == "0.1.0"
    for name, version in module["LATER"].items():
        assert pkgutil.resolve_name(name)
        assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_html_is_mended_once() -> None:
    accessible = runpy.run_path(str(DOCS / "accessible.py"))["accessible"]
    html = (
        '<aside class="sidebar-drawer"><dt class="sig sig-object py"><dl><dd>n</dd></dl></dt><dl>'
    )
    mended = accessible(html)
    assert 'aria-label="Pages"' in mended
    assert '<span class="sig-dl"><span class="sig-dd">n</span></span></dt><dl>' in mended
    assert accessible(mended) == mended
