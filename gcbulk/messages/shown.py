"""What of an email's HTML is seen: its words, and whether there is anything at all."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.cells import UNSEEN

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

# One pattern for Python's `re` and for Arrow's RE2.
_UNSHOWN: Final = "(?is)" + "|".join(
    [*(rf"<{tag}\b.*?</{tag}\s*>" for tag in ("head", "title", "style")), "<!--.*?-->", "<[^>]*>"]
)
_PICTURE: Final = r"(?i)<(?:img|svg|video|picture)\b"
_MAYBE_EMPTY: Final = rf"^(?:[{UNSEEN}]|&#?\w+;)*$"


def shown_words(body: str) -> str:
    """The words of HTML as they stand on the screen, without its tags.

    >>> shown_words("<style>p {}</style><p>Dear &#123;name}</p>").split()
    ['Dear', '{name}']
    """
    return html.unescape(re.sub(_UNSHOWN, " ", body))


def shows_nothing(bodies: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of these bodies, HTML, have neither a word nor a picture; null has none to look at, and is not among them.

    >>> shows_nothing(pa.array(["<p>&nbsp;</p>", "<p>Hi</p>", "<p><img src=x></p>", None])).tolist()
    [True, False, False, False]
    """
    words = pc.replace_substring_regex(bodies, _UNSHOWN, "")
    maybe = pc.and_(
        pc.match_substring_regex(words, _MAYBE_EMPTY), pc.invert(pc.match_substring_regex(bodies, _PICTURE))
    )
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.fill_null(maybe, False).to_numpy(zero_copy_only=False).copy()
    found[found] = [not html.unescape(left).strip(UNSEEN) for left in words.filter(pa.array(found)).to_pylist()]
    return found
