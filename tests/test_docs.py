"""What is written is what happens: docstring examples, the README's commands and code, the notebooks."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import gcbulk

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(gcbulk.__path__, "gcbulk.") if "__main__" not in module.name
)
PAGES = [ROOT / "README.md", ROOT / "docs" / "recipients.md"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def block_under(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(?:(?!^## ).*\n)*?```sh\n(.*?)\n```", README, re.MULTILINE)
    assert found, f"README.md has no sh block under ## {heading}"
    return found[1]


@pytest.mark.parametrize("name", ["gcbulk", *MODULES])
def test_docstring_examples_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0


def test_the_readme_s_two_commands_are_one_line_each() -> None:
    assert block_under("Run it") == (
        "python -m pip install . && gcbulk send sample_data/recipients.csv "
        "--message-file sample_data/message.txt --sandbox --yes --out results.csv"
    )
    assert block_under("Test it") == "python -m pip install -e '.[dev]' && python -m pytest"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_on_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), namespace)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert not re.search(r"\+447700\d{6}|sandbox-key", json.dumps([c.get("outputs") for c in notebook.cells]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_notebooks_hold_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
