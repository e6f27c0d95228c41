"""What stops a run. A bad row is never an exception: it is a row with an `ErrorCode`.

GcbulkError
├── InputError (also a ValueError)      the user's input is at fault; nothing was sent
│   ├── RecipientsError                 a file or DataFrame that cannot be used
│   ├── TemplateError                   a message text that cannot be used
│   └── OptionError                     an option, setting or address that cannot be used
│       └── QuietHoursError             nobody is texted at this hour unless it is urgent
├── CredentialsError                    no customer id or API key was found
├── JournalError                        the journal cannot be opened, read or written
│   ├── CampaignError                   this campaign cannot be begun, continued or found
│   │   └── LateError                   it was begun on an earlier day, and nobody said that it is still true
│   └── JournalLostError                the journal could not be written in mid-run; resume goes on
└── CommunicationsError                 the API said no, or gave no usable answer
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gcbulk.codes import ErrorCode


class GcbulkError(Exception):
    """The base of everything gcbulk raises on purpose; its text is a sentence for a data officer."""


class GcbulkWarning(UserWarning):
    """Something a data officer should look at that did not stop the run."""


_PACKAGE: Final = f"{Path(__file__).parent}{os.sep}"


def warn(sentence: str) -> None:
    """Give a GcbulkWarning at the line of the user's that led here, through however many rooms of the package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, GcbulkWarning, stacklevel=level)


class InputError(GcbulkError, ValueError):
    """Raised before anything is sent, when a file, column, text or option is wrong."""


class RecipientsError(InputError):
    """Raised when recipients cannot be read, or their number column cannot be told."""


class TemplateError(InputError):
    """Raised when a message text has a syntax error or names a field that no column provides."""


class OptionError(InputError):
    """Raised when an option or setting has a value that cannot be used."""


class QuietHoursError(OptionError):
    """Raised before anything is sent within quiet hours, where nobody said that it is urgent."""


class CredentialsError(GcbulkError):
    """Raised when no customer id or API key is given by argument, environment or keyring."""


class JournalError(GcbulkError):
    """Raised when the journal cannot be opened, read or written; nothing more is sent."""


class CampaignError(JournalError):
    """Raised when a campaign is unknown, differs from what was asked, or is running elsewhere."""


class LateError(CampaignError):
    """Raised before anything is sent, where a campaign of an earlier day has texts left and nobody said `late`."""


class JournalLostError(JournalError):
    """Raised when the journal could not be written after calls had left; no further call was made."""


class CommunicationsError(GcbulkError):
    """Raised by the thin client when the API refuses a message or gives no usable answer.

    `code` is an `ErrorCode`. `response` is the answer with credentials removed, or None where none came.
    """

    def __init__(self, message: str, *, code: ErrorCode, response: object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.response = response

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), code=self.code, response=self.response), self.args
