"""The lint: what in a message or its columns looks like a mistake, found before anything is sent.

Each check is a function in the table at the end. It gets the batch and yields findings; it never changes a text.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.cells import field_name
from gcbulk.messages.columns import to_arrow
from gcbulk.messages.findings import Batch, Finding, are, do, kind_of, positions
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import holds_wide, part_ends, units_in_a_part
from gcbulk.messages.shown import is_seen, lacks_pictures, shown_words, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    _Mask = np.ndarray[Any, np.dtype[np.bool_]]

PLATFORM_TOKENS: Final = ("$Firstname$", "$Name$", "$Date$")
"""What the platform fills in on its side (its documentation)."""

# Fields that hold names: those that say so, and the people that a school's lists are about.
_NAMES: Final = re.compile(
    r"(?:.*_)?(?:(?:fore|sur|first|last|middle|given|family|full|preferred|legal)?name|salutation|addressee|parent|"
    r"mother|father|carer|guardian|pupil|student|child|teacher|tutor)s?(?:_\d+)?"
)
# What programs write for a blank: alone in its cell, or among other words in the case in which Python prints it, as
# where a title was joined to no surname. "Nan" is a grandmother, and "None of them" at the start of a cell is prose.
_EDGE: Final = r"[^\pL\pN_]"
_SPREADSHEET_WORDS: Final = (
    r"^(?:NAN|NULL|null|undefined|#N/A|#REF!|#VALUE!|#NAME\?|#DIV/0!"
    r"|(?:0?[01]/0?1/1900|1900-01-0[01])(?: 00:00(?::00)?)?)$"
    rf"|(?:^|{_EDGE})(?:nan|NaN|NaT|<NA>)(?:$|{_EDGE})"
    rf"|(?:^|{_EDGE})None(?:$|{_EDGE}*$|{_EDGE}+[^\p{{Ll}}\s])|[^.!?\s]\s+None(?:$|{_EDGE})"
)
_SAID: Final = re.compile(r"(?<!\w)(?:nan|NaN|NaT|<NA>|None)(?!\w)")
# Marks of other programs' fields. What is inside may be a column's name.
_STRAY: Final[dict[str, str]] = {
    "{": r"[{}]",
    "((": r"\(\(|\)\)",
    "<<": r"<<|>>|«|»",
    "[[": r"\[\[|\]\]",
    "$": r"\$[A-Za-z][A-Za-z_ ]{0,29}\$",
}
_ANY_STRAY: Final = "|".join(_STRAY.values())
_INSIDE: Final = re.compile(
    r"\{+\s*([^{}]{1,60}?)\s*\}+|\(\(\s*([^()]{1,60}?)\s*\)\)|(?:<<|«)\s*([^<>«»]{1,60}?)\s*(?:>>|»)"
    r"|\[\[\s*([^][]{1,60}?)\s*\]\]|\$([A-Za-z][A-Za-z_ ]{0,29})\$"
)
_TOKEN: Final = "|".join(map(re.escape, PLATFORM_TOKENS))
_SOURCES_NAMED: Final = 3
_SOURCE_SHOWN: Final = 60  # characters
_LINK: Final = re.compile(r"(?:https?://|www\.)\S+")


def lint(batch: Batch, columns: Iterable[object], options: TextOptions) -> list[Finding]:
    """Look at a message that was filled in for every row; returns the findings, the gravest first.

    `columns` are the labels of the user's frame, of which the nearest is offered for what looks like a field.
    """
    names = [name for name in map(field_name, columns) if name]
    found = [finding for check in _CHECKS for finding in check(batch, names, options)]
    return sorted(found, key=lambda finding: finding.severity == "note")


def lint_letter(batches: Iterable[Batch], columns: Iterable[object]) -> list[Finding]:
    """What `lint` does, for the body and the subject of emails: without what concerns the parts of a text.

    Of a body that is HTML the words are looked at that are seen. What is the same in both is said once.
    """
    names = [name for name in map(field_name, columns) if name]
    found: dict[Hashable, Finding] = {}
    for batch in batches:
        for finding in (finding for check in _OF_LETTERS for finding in check(batch, names, TextOptions())):
            found.setdefault(kind_of(finding), finding)
    return sorted(found.values(), key=lambda finding: finding.severity == "note")


def _stray_marks(batch: Batch, names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find a stray {, ((, <<, [[ or $...$: a field of another program's, or one that lost a brace."""
    literal = _without_tokens(_literal(batch))
    html = batch.template.html
    texts = _cells_said(batch) if html else _texts(batch)  # markup has braces of its own
    # one look for all of them: most lists have none
    if not _matches(texts, _ANY_STRAY).any() and not (html and re.search(_ANY_STRAY, literal)):
        return
    texts = pc.replace_substring_regex(texts, _TOKEN, "")
    for mark, pattern in _STRAY.items():
        in_message = re.search(pattern, literal)
        rows = batch.sent & (_matches(texts, pattern) | (html and in_message is not None))
        if in_message:
            where = [match for match in _INSIDE.finditer(literal) if re.search(pattern, match[0])]
            offers = dict.fromkeys(filter(None, (_offer(match, names) for match in where)))
            what = where[0][0] if where else in_message[0]
            yield Finding(
                "stray_mark",
                "warning",
                f"The message says {' '.join(what.split())} outside a field, and it would be sent as it is. "
                + (" ".join(offers) or "A field is written {{ parent_name }}."),
                positions(rows),
            )
        elif rows.any():
            yield Finding.counted(
                "stray_mark",
                "warning",
                positions(rows),
                lambda n, mark=mark: (
                    f"{are(n, batch.noun)} would say {mark}, which came from a cell. Another program's field?"
                ),
                about=mark,
            )


def _offer(match: re.Match[str], names: list[str]) -> str:
    """Say which column's field what stands between marks may have meant."""
    name = field_name(next(filter(None, match.groups()), ""))
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {{{{ {near[0]} }}}}?" if near else ""


def _unbraced_fields(batch: Batch, names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find a field's name that lost its braces: "Dear parent_name". Names of one word are words like others."""
    literal = _literal(batch)
    for name in names:
        if "_" in name.strip("_") and re.search(rf"(?<![\w{{$(<«\[]){re.escape(name)}(?![\w}}$)>»\]])", literal, re.I):
            yield Finding(
                "unused_field",
                "warning",
                f"The message says {name} in plain words, to be sent as it is. Did you mean {{{{ {name} }}}}?",
                positions(batch.sent),
            )


def _blank_fields(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find fields that are blank in some rows, and say what becomes of those rows."""
    going = batch.rendered.frame["Text"].notna().to_numpy()
    for name, label, column in zip(batch.cells.names, batch.cells.labels, batch.cells.columns, strict=True):
        blank = pc.is_null(column).to_numpy(zero_copy_only=False)
        if name not in batch.template.reading.printed or not blank.any():
            continue
        lost, filled = blank & ~going, blank & going & batch.sent
        if lost.any():
            yield Finding.counted(
                "blank_field",
                "note",  # such rows are listed among those that are not sent
                positions(lost),
                lambda n, label=label, name=name: (
                    f"Column {label} is blank in {are(n, 'row')}, which would not be sent. Fill it in, "
                    f"or write {{{{ {name} | default('...') }}}}."
                ),
                about=label,
            )
        if filled.any():
            yield Finding.counted(
                "default_used",
                "note",
                positions(filled),
                lambda n, label=label: (
                    f"Column {label} is blank in {are(n, 'row')}: the message's other words are sent."
                ),
                about=label,
            )


def _names_in_one_case(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find names all in capitals, or all in small letters, as some MISs export them."""
    for name, label, column in zip(batch.cells.names, batch.cells.labels, batch.cells.columns, strict=True):
        if name not in batch.template.reading.as_typed or not _NAMES.fullmatch(name):
            continue
        words = pc.fill_null(column, "")
        letters = pc.match_substring_regex(words, r"^[^\d]*\pL\pL\pL[^\d]*$")
        one_case = pc.or_(pc.utf8_is_upper(words), pc.utf8_is_lower(words))
        rows = batch.sent & pc.and_(letters, one_case).to_numpy(zero_copy_only=False)
        rows &= ~_matches(column, _SPREADSHEET_WORDS)
        if rows.any():
            yield Finding.counted(
                "name_case",
                "warning",
                positions(rows),
                lambda n, label=label, name=name: (
                    f"Column {label} is all in capitals, or all in small letters, in {are(n, 'row')}. "
                    f"Write {{{{ {name} | name_case }}}} to have it as a name."
                ),
                about=label,
            )


def _spreadsheet_words(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find cells that say nan, None, NaT or 01/01/1900: what a program writes for a blank."""
    for name, label, column in zip(batch.cells.names, batch.cells.labels, batch.cells.columns, strict=True):
        rows = batch.sent & _matches(column, _SPREADSHEET_WORDS)
        if name in batch.template.reading.printed and rows.any():
            cells = pc.unique(column.filter(pa.array(rows))).to_pylist()
            said = list(dict.fromkeys(word[0] if (word := _SAID.search(cell)) else cell for cell in cells))
            yield Finding.counted(
                "spreadsheet_word",
                "warning",
                positions(rows),
                lambda n, said, label=label: (
                    f"Column {label} says {' or '.join(said)} in {are(n, 'row')}, which a program writes "
                    "for a blank cell. It would be sent as it is: empty these cells, or mend them."
                ),
                about=label,
                said=(said[:3], lambda first, more: list(dict.fromkeys([*first, *more]))[:3]),
            )


def _broken_links(batch: Batch, _names: list[str], options: TextOptions) -> Iterator[Finding]:
    """Find links that begin in one part and end in the next: some phones then cannot open them."""
    several = np.flatnonzero(batch.sent & (batch.counts["Parts"].to_numpy() > 1))
    words = _texts(batch).take(pa.array(several))
    linked = _matches(words, _LINK.pattern)
    words, encodings = words.filter(pa.array(linked)), batch.counts["Encoding"].to_numpy()[several[linked]]
    header = options.header_length
    broken = several[linked][_cut(words, encodings, header)].tolist()
    if broken:
        yield Finding.counted(
            "broken_link",
            "warning",
            tuple(broken),
            lambda n: (
                f"A link is broken over two parts in {are(n, 'text')}: some phones cannot open it then. "
                "Put it nearer to the beginning, or shorten the text."
            ),
        )


def _cut(words: pa.Array, encodings: _Mask, header: int) -> _Mask:
    """Which texts, each with a link, have one that a part ends in."""
    # With characters of two units, or another link, only a walk through the text can tell.
    several = pc.greater(pc.count_substring_regex(words, _LINK.pattern), 1).to_numpy(zero_copy_only=False)
    walked = several | holds_wide(words, encodings)
    cut: _Mask = np.zeros(len(words), dtype=bool)
    cut[~walked] = _cut_by_length(words.filter(pa.array(~walked)), encodings[~walked], header)
    for encoding in np.unique(encodings[walked]).tolist():
        some = walked & (encodings == encoding)
        cut[some] = [
            any(link.start() < end < link.end() for link in _LINK.finditer(places) for end in ends)
            for places, ends in part_ends(words.filter(pa.array(some)), encoding, header)
        ]
    return cut


def _cut_by_length(words: pa.Array, encodings: _Mask, header: int) -> _Mask:
    """Which texts, each with one link and one unit a character, have it cut."""
    if not len(words):
        return np.zeros(0, dtype=bool)
    found = pc.extract_regex(words, r"(?s)^(?P<before>.*?)(?P<link>(?:https?://|www\.)\S+)")
    begins = pc.utf8_length(pc.struct_field(found, "before")).to_numpy() + header
    ends = begins + pc.utf8_length(pc.struct_field(found, "link")).to_numpy() - 1
    size = np.where(encodings == "GSM-7", *(units_in_a_part(name) for name in ("GSM-7", "UCS-2")))
    cut: _Mask = begins // size != ends // size
    return cut


def _white_space_twins(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find texts to the same number that differ only in white space, and so are not taken for one."""
    sent = np.flatnonzero(batch.sent)
    addresses = batch.addresses.iloc[sent]
    several = addresses.duplicated(keep=False).to_numpy()
    if not several.any():
        return
    texts = batch.rendered.frame["Text"].iloc[sent[several]].str.replace(r"\s+", " ", regex=True).str.strip()
    twins = texts.to_frame("text").assign(address=addresses[several].to_numpy()).duplicated(keep="first").to_numpy()
    if twins.any():
        rows = tuple(sent[several][twins].tolist())
        yield Finding.counted(
            "white_space",
            "warning",
            rows,
            lambda n: f"{do(n, 'text', 'differ')} only in white space from another to the same number: both would go.",
        )


def _long_texts(batch: Batch, _names: list[str], options: TextOptions) -> Iterator[Finding]:
    rows = batch.sent & (batch.counts["Parts"].to_numpy() >= options.max_parts)
    if rows.any():
        yield Finding.counted(
            "many_parts",
            "warning",
            positions(rows),
            lambda n, longest: (
                f"{are(n, 'text')} would take {are(options.max_parts, 'part')} or more, the longest {longest}."
            ),
            longest=(int(batch.counts["Parts"].max()), max),
        )


def _platform_tokens(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    tokens = [token for token in PLATFORM_TOKENS if token in batch.template.text]
    if tokens:
        yield Finding(
            "platform_token",
            "note",
            f"The platform fills in {' and '.join(tokens)} on its side: how long that is, the parts here cannot tell.",
        )


def _lost_characters(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    rows = batch.sent & _matches(_texts(batch), "\ufffd")
    if rows.any():
        yield Finding.counted(
            "lost_character",
            "warning",
            positions(rows),
            lambda n: (
                f"{are(n, batch.noun)} would show \ufffd, which stands for a character that was lost. "
                "Export the list again as UTF-8."
            ),
        )


def _lacking_pictures(batch: Batch, _names: list[str], _options: TextOptions) -> Iterator[Finding]:
    """Find pictures that are only on the sender's machine, or said to be a part of the email, which has none."""
    if not batch.template.html or "<img" not in batch.template.text.casefold():
        return
    rows = batch.sent & lacks_pictures(_texts(batch))
    if rows.any():
        missing = (one for one in sources(batch.template.text) if "{" not in one and not is_seen(one))
        shown = list(dict.fromkeys(one[:_SOURCE_SHOWN] for one in missing))[:_SOURCES_NAMED]
        named = f" ({', '.join(shown)})" if shown else ""
        yield Finding.counted(
            "no_picture",
            "warning",
            positions(rows),
            lambda n: (
                f"{do(n, 'email', 'show')} a gap for a picture: no such picture goes with the email{named}. "
                "Put it on a website and give its address there (https://...), or attach it."
            ),
            about=named,
        )


def _literal(batch: Batch) -> str:
    """What a message says outside its fields, as it is seen."""
    words = "\n".join(batch.template.reading.words)
    return shown_words(words) if batch.template.html else words


def _cells_said(batch: Batch) -> pa.Array:
    """For each row what its cells say in the message."""
    said = [
        column
        for name, column in zip(batch.cells.names, batch.cells.columns, strict=True)
        if name in batch.template.reading.printed
    ]
    if not said:
        return pa.array([""] * batch.cells.rows, pa.large_string())
    return pc.binary_join_element_wise(*said, pa.scalar("\n", pa.large_string()), null_handling="skip")


def _without_tokens(text: str) -> str:
    return re.sub(_TOKEN, "", text)


def _texts(batch: Batch) -> pa.Array:
    return to_arrow(batch.rendered.frame["Text"])


def _matches(words: pa.Array, pattern: str) -> _Mask:
    found: _Mask = pc.fill_null(pc.match_substring_regex(words, pattern), False).to_numpy(zero_copy_only=False)
    return found


_CHECKS: Final[tuple[Callable[[Batch, list[str], TextOptions], Iterator[Finding]], ...]] = (
    _stray_marks,
    _unbraced_fields,
    _spreadsheet_words,
    _blank_fields,
    _names_in_one_case,
    _white_space_twins,
    _lost_characters,
    _broken_links,
    _long_texts,
    _platform_tokens,
)
_OF_LETTERS: Final = (
    _stray_marks,
    _unbraced_fields,
    _spreadsheet_words,
    _blank_fields,
    _names_in_one_case,
    _lost_characters,
    _lacking_pictures,
)
