"""What a process loads when it checks its first list: loaded once, where the processes of `jobs` are forked from."""

from __future__ import annotations

import gcbulk
from tests import jobs

gcbulk.validate(jobs.people(1))
