"""The house: layers, homes of libraries, exported names, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gcbulk

ROOT = Path(__file__).parent.parent


def test_layers_and_homes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_exported_name_is_there() -> None:
    assert set(gcbulk._HOMES) | {"__version__"} == set(gcbulk.__all__)
    for name in gcbulk.__all__:
        assert getattr(gcbulk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'send_fax'"):
        _ = gcbulk.send_fax  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", ["import gcbulk", "import gcbulk.cli"])
def test_importing_is_cheap(code: str) -> None:
    heavy = "'pandas', 'numpy', 'requests', 'sqlalchemy', 'jinja2', 'flask', 'pandera', 'phonenumbers', 'keyring'"
    probe = f"{code}; import sys; print([name for name in [{heavy}] if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, encoding="utf-8", check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_every_module_says_what_it_is_for() -> None:
    for file in (ROOT / "gcbulk").rglob("*.py"):
        assert file.read_text(encoding="utf-8").lstrip().startswith('"""'), file
