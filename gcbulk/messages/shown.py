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
    [
        r"<head\b.*?</head\s*>",
        *(rf"<{tag}\b.*?(?:</{tag}\s*>|$)" for tag in ("title", "style")),  # without an end, to the end of all
        "<!--.*?(?:-->|$)",
        "<[^>]*>",
    ]
)
# A picture is fetched from the web or stands in the body: a file beside the body, or a part of the email (cid:, RFC
# 2392), is nowhere where the email is read.
_ATTRIBUTES: Final = r"(?:[^>\"']|\"[^\"]*\"|'[^']*')*?"
_ANY_IMAGE: Final = r"(?i)<img\b"
_SEEN_IMAGE: Final = rf"(?i)<img\b{_ATTRIBUTES}\ssrc\s*=\s*[\"']?\s*(?:https?:|data:image/)"
_PICTURE: Final = rf"{_SEEN_IMAGE}|<(?:svg|video|picture)\b"
_SOURCE: Final = re.compile(rf"{_ANY_IMAGE}{_ATTRIBUTES}\ssrc\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]*))")
_MAYBE_EMPTY: Final = rf"^(?:[{UNSEEN}]|&#?\w+;)*$"


def shown_words(body: str) -> str:
    """The words of HTML as they stand on the screen, without its tags.

    >>> shown_words("<style>p {}</style><p>Dear &#123;name}</p>").split()
    ['Dear', '{name}']
    """
    return html.unescape(re.sub(_UNSHOWN, " ", body))


def shows_nothing(bodies: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of these bodies, HTML, have neither a word nor a picture; null has none to look at, and is not among them.

    >>> shows_nothing(pa.array(["<p>&nbsp;</p>", "<p>Hi</p>", "<img src='https://example.org/x.png'>", None])).tolist()
    [True, False, False, False]
    """
    words = pc.replace_substring_regex(bodies, _UNSHOWN, "")
    maybe = pc.and_(
        pc.match_substring_regex(words, _MAYBE_EMPTY), pc.invert(pc.match_substring_regex(bodies, _PICTURE))
    )
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.fill_null(maybe, False).to_numpy(zero_copy_only=False).copy()
    found[found] = [not html.unescape(left).strip(UNSEEN) for left in words.filter(pa.array(found)).to_pylist()]
    return found


def lacks_pictures(bodies: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of these bodies, HTML, have an image that nobody sees: neither on the web nor in the body itself.

    >>> lacks_pictures(pa.array(["<img src='logo.png'>", "<img alt='a>b' src=https://example.org/x.png>"])).tolist()
    [True, False]
    """
    images = pc.count_substring_regex(bodies, _ANY_IMAGE)
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.fill_null(
        pc.greater(images, pc.count_substring_regex(bodies, _SEEN_IMAGE)), False
    ).to_numpy(zero_copy_only=False)
    return found


def sources(body: str) -> list[str]:
    """The addresses of a body's images, in their order.

    >>> sources("<img src='logo.png'> <img class=x src=cid:1>")
    ['logo.png', 'cid:1']
    """
    return ["".join(found) for found in _SOURCE.findall(body)]


def is_seen(source: str) -> bool:
    """Whether an image of this address is there where the email is read."""
    return re.match(r"(?i)\s*(?:https?:|data:image/)", source) is not None
