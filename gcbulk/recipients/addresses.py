"""Email addresses as people write them -> one plain form, whole columns at a time, agreeing with email-validator.

A column goes two ways, as in `numbers`: what is plainly an address by one pattern is taken, each domain judged once by
email-validator; the rest, each value once, is mended and judged by it whole. Nothing is looked up on the network.

Addresses are written in lower case, the domain in its ASCII form (IDNA): RFC 5321 lets a server tell `Ann@` from
`ann@`, but none that people use does, and one person must not be written to twice for it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import pandas as pd
from email_validator import EmailNotValidError, validate_email
from rapidfuzz.distance import OSA

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.recipients.notes import BETWEEN_ADDRESSES, is_a_name
from gcbulk.recipients.numbers import as_text

COLUMNS: Final = ("SentTo", "Repair", "ErrorCode", "ErrorDetail")

_PLAIN: Final = re.compile(r"[a-z0-9_+-]+(?:[.'][a-z0-9_+-]+)*@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,})")
_MOST_LOCAL: Final = 64  # octets before the @ (RFC 5321, 4.5.3.1.1)
_MOST: Final = 254  # octets in all (RFC 5321, 4.5.3.1.3, less the angle brackets)
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_NAMED: Final = re.compile(r"([^<>@]*)<\s*([^<>\s]+@[^<>\s]+)\s*>")  # Ann Khan <ann@example.org>
_MOST_SHOWN: Final = 80  # characters of the words beside an address
_SEVERAL: Final = re.compile(r"@[^@]*[\s,;/|&<>][^@]*@|@[^@]*\bor\b[^@]*@", re.IGNORECASE)
_NOTHING: Final = frozenset(
    {"", "na", "nil", "no", "none", "null", "nan", "unknown", "tbc", "x", "noemail", "notknown"}
)
# What is mended: a pattern, what stands in its place, how it is told. In this order.
_MENDS: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = (
    (re.compile(r"^\s*mailto:\s*", re.IGNORECASE), "", "removed mailto:"),
    (re.compile(r"^\s*(?:email|e-mail)\s*:\s*", re.IGNORECASE), "", "removed the word before it"),
    (re.compile(r"^[\"'(\[<]+(.*?)[\"')\]>]+$"), r"\1", "removed quotation marks or brackets"),
    (re.compile(r"^['‘’]+(?=[^'‘’@])"), "", "removed the apostrophe before it"),  # Excel's mark of a text
    (re.compile(r"[.,;:]+$"), "", "removed the sign at its end"),
    (re.compile(r"\s*@\s*"), "@", "removed spaces around the @"),
)

# What is wrong with a cell that is no address; the first that is found says it.
_WHY: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"^[^@]*$"), "It has no @."),
    (re.compile(r"@.*@", re.DOTALL), "It has more than one @."),
    (re.compile(r"\s"), "There is a space in it."),
    (re.compile(r"^@"), "Nothing stands before the @."),
    (re.compile(r"@.*,"), "Behind the @ there is a comma where a full stop should be."),
    (re.compile(r"[‘’´].*@"), "Before the @ there is a curly apostrophe where a plain one (') should be."),
    (
        re.compile(r"[^\x00-\x7f].*@"),
        "Before the @ there is a letter with an accent, or a sign, that none can have.",
    ),
    (re.compile(r"^\.|\.@"), "What stands before the @ begins or ends with a full stop."),
    (re.compile(r"\.\."), "There are two full stops in a row."),
    (re.compile(r"^[^@]{65}"), f"More than {_MOST_LOCAL} characters stand before the @."),
    (re.compile(r"@[^.]*$|\.$"), "What stands behind the @ has no ending such as .com or .org.uk."),
    (re.compile(r"@.*[^\w.-]"), "Behind the @ there is a sign that no address can have."),
    (re.compile(r"[^\w.!#$%&'*+/=?^`{|}~-].*@"), "Before the @ there is a sign that no address can have."),
)

_PROVIDERS: Final = (
    *(
        "gmail.com",
        "googlemail.com",
        "hotmail.com",
        "hotmail.co.uk",
        "outlook.com",
        "live.com",
        "live.co.uk",
        "msn.com",
    ),
    *("yahoo.com", "yahoo.co.uk", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com", "aol.co.uk", "sky.com"),
    *("btinternet.com", "virginmedia.com", "talktalk.net", "ntlworld.com", "blueyonder.co.uk", "tiscali.co.uk"),
    *("protonmail.com", "proton.me", "gmx.com", "gmx.co.uk", "outlook.co.uk", "plus.net", "btopenworld.com"),
)
"""Where most families have their mail."""
# Domains near to those that are others' own, and so no slips.
_OTHERS: Final = frozenset({"mail.com", "email.com", "gmx.net", "gmx.de", "aim.com", "pm.me", "live.ie", "yahoo.ie"})
_SLIPS: Final = {"gmail.co.uk": "gmail.com", "googlemail.co.uk": "googlemail.com", "icloud.co.uk": "icloud.com"}
_SHORTEST_NEAR: Final = 8  # characters of a domain: shorter ones are near to too many


def to_address(cells: pd.Series) -> pd.DataFrame:
    """Turn email addresses as people write them into one plain form, or say for each why that cannot be done.

    Args:
        cells: any column: strings, missing values, or a mix.

    Returns:
        A frame of the same index and length with the columns `SentTo`, `Repair`, `ErrorCode` and `ErrorDetail`,
        all of dtype `str` with NaN where there is nothing to say. Each row has one of `SentTo` and `ErrorCode`.
        `ErrorDetail` beside an address asks about a likely slip, which is never changed.

    Raises nothing, whatever the cells hold.

    Example:
        >>> cells = pd.Series(["Ann Khan <Ann@Example.org>", "ann@example", "a@example.org; b@example.org"])
        >>> to_address(cells).iloc[:, :3]
                    SentTo                      Repair        ErrorCode
        0  ann@example.org  taken from beside its name              NaN
        1              NaN                         NaN    EMAIL_INVALID
        2              NaN                         NaN  EMAIL_AMBIGUOUS
    """
    texts = cells.fillna("") if isinstance(cells.dtype, pd.StringDtype) else cells.map(as_text)
    codes, values = pd.factorize(texts)
    verdicts = [_judged(value) for value in values]
    return pd.DataFrame(verdicts, columns=list(COLUMNS), dtype="str").take(codes).set_axis(cells.index)


_Verdict = tuple[str | None, str | None, str | None, str | None]


def _judged(cell: str) -> _Verdict:
    seen = _UNSEEN.sub("", cell)
    text, notes = seen.strip(), ["removed invisible marks"] * (seen != cell)
    plain = _PLAIN.fullmatch(text.lower())
    if plain and plain.start(1) <= _MOST_LOCAL + 1 and len(text) <= _MOST and (domain := _domain(plain[1])):
        return _taken(text.lower()[: plain.start(1)] + domain, notes)
    if re.sub(r"[\W_]", "", text).casefold() in _NOTHING:
        return _refused(ErrorCode.EMAIL_MISSING)
    if _SEVERAL.search(text):
        return _same_again(text, notes) or _refused(ErrorCode.EMAIL_AMBIGUOUS)
    if named := _NAMED.fullmatch(text):
        words, text = named.groups()
        if not is_a_name(words):
            return _refused(ErrorCode.EMAIL_AMBIGUOUS, f'Beside the address it says "{_shown(words)}".')
        notes.append("taken from beside its name")
    mended, more_notes = _mended(text)
    try:
        found = validate_email(mended, check_deliverability=False, allow_smtputf8=False, strict=True)
    except (EmailNotValidError, ValueError) as error:
        return _refused(ErrorCode.EMAIL_INVALID, _why(mended, error))
    return _taken(str(found.ascii_email).lower(), [*notes, *more_notes])


def _same_again(text: str, notes: list[str]) -> _Verdict | None:
    """The address that stands in a cell several times; None where they differ, or other words stand there."""
    pieces = [piece for piece in re.split(BETWEEN_ADDRESSES, text) if piece]
    if len(pieces) < 2 or not all("@" in piece for piece in pieces):
        return None
    first, *more = {_judged(piece)[0] for piece in pieces}
    return None if more or first is None else _taken(first, [*notes, "removed a second copy of the address"])


def _shown(words: str) -> str:
    """What stands beside an address, for a sentence."""
    bare = "".join(sign if sign.isprintable() else " " for sign in words).replace('"', " ")
    return " ".join(bare.split())[:_MOST_SHOWN]


def _mended(text: str) -> tuple[str, list[str]]:
    notes: list[str] = []
    for pattern, instead, note in _MENDS:
        changed = pattern.sub(instead, text)
        if changed != text:
            text, notes = changed, [*notes, note]
    return text, notes


def _taken(address: str, notes: list[str]) -> _Verdict:
    return address, "; ".join(notes) or None, None, slip_question(address)


def slip_question(address: str) -> str | None:
    """Asks about the domain of an address that is probably a slip; None where it is none.

    >>> slip_question("ann@gamil.com")
    'Is gamil.com right? gmail.com is near to it.'
    """
    domain = address.rpartition("@")[2]
    meant = likely_slip(domain)
    return f"Is {domain} right? {meant} is near to it." if meant else None


def _refused(code: ErrorCode, why: str = "") -> _Verdict:
    return None, None, code.value, f"{why} {SENTENCES[code]}".strip()


def _why(text: str, error: ValueError) -> str:
    """What is wrong, in words of our own where email-validator's would show the cell."""
    found = next((words for pattern, words in _WHY if pattern.search(text)), None)
    return found or ("" if "@" in str(error) else f"{str(error).rstrip('.')}.")


@cache
def _domain(domain: str) -> str | None:
    """A domain in its ASCII form; None where there can be none of that name."""
    try:
        return validate_email(f"x@{domain}", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return None


@cache
def likely_slip(domain: str) -> str | None:
    """The well-known provider that a domain is probably a slip of; None where it is none.

    >>> likely_slip("gamil.com"), likely_slip("hotmail.con"), likely_slip("oakschool.sch.uk")
    ('gmail.com', 'hotmail.com', None)
    """
    if domain in _SLIPS or domain in _PROVIDERS or domain in _OTHERS or len(domain) < _SHORTEST_NEAR:
        return _SLIPS.get(domain)
    near = {one: OSA.distance(domain, one, score_cutoff=2) for one in _PROVIDERS}
    nearest = min(near, key=lambda one: near[one])
    return nearest if near[nearest] <= 1 + (len(domain) >= 12) else None
