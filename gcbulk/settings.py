"""Where gcbulk keeps what it must remember from one day to the next."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder for the journal and settings: GCBULK_HOME, or the user's own state folder."""
    configured = os.environ.get("GCBULK_HOME")
    return Path(configured) if configured else platformdirs.user_state_path("gcbulk", appauthor=False)
