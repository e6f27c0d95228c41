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
PAGES = [ROOT / "README.md", ROOT / "docs" / "recipients.md", ROOT / "docs" / "partners.md"]
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


KEY = re.compile(r"sandbox-key|(?:api.?key|password)[\"']?\s*[:=]\s*[\"'][^\"']+", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.])(?:\+|0|44|7)(?:[ ().\-]{0,3}\d){9,14}(?![\w.])")
NO_NUMBERS = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|base64,[\w+/=]+|\"image/png\": \"[^\"]+"
)  # ids and pictures
FOR_DRAMA = re.compile(r"(?:0|\+?44)(?:7700900\d{3}|1632960\d{3})")


def leaks(notebook: nbformat.NotebookNode) -> list[str]:
    """What a saved notebook must not hold: a key anywhere, a number in what it shows or keeps of its widgets.

    In its own words and code, only numbers that belong to nobody.
    """
    sources = "\n".join(cell.source for cell in notebook.cells)
    shown = json.dumps([[cell.get("outputs"), cell.metadata] for cell in notebook.cells] + [notebook.metadata])
    shown = NO_NUMBERS.sub("", shown)
    invented = (re.sub(r"[^\d+]", "", found) for found in NUMBER.findall(sources))
    return [
        *KEY.findall(sources),
        *KEY.findall(shown),
        *NUMBER.findall(shown),
        *(number for number in invented if not FOR_DRAMA.fullmatch(number)),
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(path.parent)}})
    client.execute()  # which keeps the widgets' state too
    assert leaks(notebook) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_notebooks_hold_no_outputs_numbers_or_keys(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
    assert "widgets" not in notebook.metadata
    assert leaks(notebook) == []


def test_the_check_of_notebooks_finds_numbers_and_keys() -> None:
    new = nbformat.v4

    def shows(text: str) -> nbformat.NotebookNode:
        return new.new_notebook(cells=[new.new_code_cell("x", outputs=[new.new_output("stream", text=text)])])

    assert leaks(shows("sent to +447700900123"))
    assert leaks(shows("sent to 07700 900 123"))
    assert leaks(shows("sandbox-key-not-secret"))
    assert leaks(new.new_notebook(cells=[new.new_code_cell('api_key = "k3y"')]))
    assert leaks(new.new_notebook(cells=[new.new_code_cell('number = "07911 123456"')]))
    assert leaks(new.new_notebook(metadata={"widgets": {"state": {"value": "07700900123"}}}))
    assert not leaks(shows("+44 7700 •••123 at 2026-11-24 08:30:00.123456"))
    assert not leaks(new.new_notebook(cells=[new.new_code_cell('number = "07700 900123"')]))
