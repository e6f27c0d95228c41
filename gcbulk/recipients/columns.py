"""Whose column is whose: our annotations, the user's own columns, and the one that holds the numbers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from gcbulk.errors import RecipientsError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

ANNOTATIONS: tuple[str, ...] = (
    "SentTo",  # E.164 number, or email address
    "Repair",  # what was mended in the number
    "Status",
    "MessageId",
    "ErrorCode",
    "ErrorDetail",
    "Parts",
    "ClientRef",
    "AcceptedAt",
    "DeliveryStatus",
    "DeliveredAt",
    "DeliveryError",
    "UnitsBilled",
)

# What the results and previews of a partner's campaign have besides.
OF_CUSTOMERS: tuple[str, ...] = ("CustomerId", "CustomerName")

SENT_AS: Final = "SentAs"
"""What results have besides where each row went as a text or as an email."""

ROW_NUMBER: Final = "row number"
"""The name of an index that holds rows' places in a longer list, from 1: they are called by them."""

# A frame that holds all of these came out of `validate`, `preview` or a send.
_OURS = frozenset({"SentTo", "Repair", "Status", "ErrorCode", "ErrorDetail"})
# What a preview adds beside annotations. A frame of results does not have them: there they are the user's own.
_PREVIEWED = frozenset({"Text", "Cost"})

# Whom a number column may name and still hold the number to text. Pupils are left out on purpose.
_OWNER = r"""(?:
    parent|parental|legal|guardian|carer|contact|[pc](?=\d)|mother|father|mum|dad|staff|recipient|
    priority|primary|main|first|preferred|emergency|sms|text|messaging
)s?\d?"""
_ENDING = r"(?:no|num|number)?s?\d{0,2}(?:sms|text)?"

_FOR_TEXTS = r"(?:sms|text)(?:no|number)\d{0,2}|msisdn"

# Names without case, spaces and signs, by preference: one match in an earlier tier settles it.
_TIERS = tuple(
    re.compile(pattern, re.VERBOSE)
    for pattern in (
        # those that say mobile, or that they are for texts
        rf"(?:{_OWNER})*(?:(?:tel|telephone|phone)(?:no|number)?)?(?:mobile|mob|cell)(?:phone|tel|telephone)?{_ENDING}|{_FOR_TEXTS}",
        # those that say telephone of any kind
        rf"(?:{_OWNER})*(?:phone|telephone|tel){_ENDING}",
        # those that only say number
        rf"(?:{_OWNER})*numbers?\d{{0,2}}|contactno",
        # those that may hold a number, or whether its owner agreed to be texted
        r"(?:sms|text)\d{0,2}",
    )
)

# How the systems that schools export from head the column of mobiles: the names that the patterns must know, kept
# together so that a new one has a place to go (and a test to pass).
HEADINGS: dict[str, tuple[str, ...]] = {
    "SIMS": (
        *("Parental Mobile", "Contact Mobile", "Mobile Telephone", "Priority 1 Mobile", "Priority Contact Mobile"),
        *("Primary Contact Mobile", "Telephone (Mobile)", "Mobile Tel No."),
    ),
    "Arbor": (
        *("Mobile Phone", "Mobile phone number", "Primary Guardian Mobile", "Primary Guardian's Mobile Number"),
        *("Guardian 1 Mobile Phone", "Guardians: Mobile Phone Numbers"),
    ),
    "Bromcom": (
        "MobilePhone",
        "Contact 1 Mobile",
        "First Contact Mobile",
        "Mobile Telephone Number",
        "Contact: Mobile",
    ),
    "ScholarPack": ("Mobile Phone", "Contact 1 Mobile Phone", "Tel (Mobile)", "Contact 1 Mobile No"),
    "Groupcall": ("MobileNumber", "Mobile Number", "ContactMobile", "SMS Number", "Contact.MobileNumber"),
}

_EMAIL_OWNER = _OWNER.removesuffix(r")s?\d?") + r"|home|work|personal|school|my|other)s?\d?"
_EMAIL_TIERS = tuple(
    re.compile(pattern, re.VERBOSE)
    for pattern in (
        # those that say email
        rf"(?:{_EMAIL_OWNER})*e?mails?(?:address(?:es)?|addr)?(?:es|s)?\d{{0,2}}(?:home|work|personal|main|primary)?",
        # those that only say address, of a kind that can be written to
        r"(?:electronicmail|internet)(?:address)?",
    )
)
EMAIL_HEADINGS: dict[str, tuple[str, ...]] = {
    "SIMS": ("Parental Email", "Contact Email", "Priority 1 Email", "Primary Email", "Email Address (Home)"),
    "Arbor": ("Email Address", "Primary Guardian Email", "Primary Guardian's Email Address", "Guardians: Email"),
    "Bromcom": ("Contact 1 Email", "First Contact Email Address", "Contact: Email", "ParentEmail"),
    "ScholarPack": ("Contact 1 Email", "Parent Email 1", "E-mail"),
    "Groupcall": ("EmailAddress", "Email Address", "Contact.EmailAddress"),
}


@dataclass(frozen=True, slots=True)
class Sought:
    """A kind of column that a list must have: what it holds, by which names it is known, how a user names it."""

    holds: str
    called: str
    tiers: tuple[re.Pattern[str], ...]
    known: tuple[str, ...]
    option: str
    several: str = ""


NUMBERS: Final = Sought(
    holds="numbers",
    called="mobile or phone",
    tiers=_TIERS,
    known=("mobile", "mobilenumber", "telephone", "phone", *sum(HEADINGS.values(), ())),
    option="number_column= (--number-column)",
    several="number_columns= (--number-columns)",
)
ADDRESSES: Final = Sought(
    holds="email addresses",
    called="email",
    tiers=_EMAIL_TIERS,
    known=("email", "emailaddress", *sum(EMAIL_HEADINGS.values(), ())),
    option="email_column= (--email-column)",
)

_SHOWN_COLUMNS = 30  # in an error: enough to recognise the file by
_NEAR = 75  # of 100 in rapidfuzz's ratio: a letter or two apart


def find_number_column(columns: pd.Index, number_column: Hashable | None = None) -> int:
    """Say at which position the numbers stand, by `number_column` or else by the columns' names.

    Names are compared without regard to case, spaces and signs (`Parent 1 Mobile`, `MobileNumber`); a name
    that says mobile beats one that says phone.

    Raises:
        RecipientsError: no column, or more than one, could be meant; the sentence lists them.

    Example:
        >>> import pandas as pd
        >>> find_number_column(pd.Index(["Forename", "Home Phone", "Parent Mobile"]))
        2
    """
    return find_column(columns, NUMBERS, number_column)


def find_column(columns: pd.Index, sought: Sought, named: Hashable | None = None) -> int:
    """What `find_number_column` does, for any kind of column.

    >>> import pandas as pd
    >>> find_column(pd.Index(["Forename", "Parent Mobile", "Parent 1 E-mail"]), ADDRESSES)
    2
    """
    if named is not None:
        return named_column(columns, named, holds=sought.holds)
    found = candidates(columns, sought)
    if len(found) == 1:
        return found[0]
    if found:
        more = f", or several, the best first, with {sought.several}" if sought.several else ""
        raise RecipientsError(
            f"The {sought.holds} could be in any of these columns: {_listed(columns[found])}. "
            f"Name the right one with {sought.option}{more}."
        )
    names = [_normalised(column) for column in columns]
    known = [_normalised(name) for name in sought.known]
    near = next((column for column, name in zip(columns, names, strict=True) if _nearest(name, known)), None)
    raise RecipientsError(
        f"None of the columns is called {sought.called}, or another name known for {sought.holds}: "
        f"{_listed(columns)}. " + (f'Is it "{_on_one_line(near)}"? ' if near is not None else "") + "Name the one with "
        f"the {sought.holds} with {sought.option}."
    )


def candidates(columns: pd.Index, sought: Sought = NUMBERS) -> list[int]:
    """At which positions what is sought could stand, by the columns' names; several where it cannot be told.

    >>> import pandas as pd
    >>> candidates(pd.Index(["Forename", "Home Phone", "Parent 1 Mobile", "Parent 2 Mobile"]))
    [2, 3]
    """
    names = [_normalised(column) for column in columns]
    every = ([position for position, name in enumerate(names) if tier.fullmatch(name)] for tier in sought.tiers)
    return next((found for found in every if found), [])


def names_a_number(name: str) -> bool:
    """Whether this is the name of a column with numbers to text.

    >>> names_a_number("Priority Contact 1 Mobile"), names_a_number("Forename")
    (True, False)
    """
    return any(tier.fullmatch(_normalised(name)) for tier in NUMBERS.tiers)


def is_annotated(labels: Iterable[Hashable]) -> bool:
    """Whether these are the columns of a frame that came out of `validate`, `preview` or a send."""
    return _OURS.issubset(labels)


def user_columns(recipients: pd.DataFrame, *, of_customers: bool = False) -> pd.DataFrame:
    """Return a new frame with the user's own columns, as they are before annotations are joined to them.

    A frame that gcbulk annotated earlier (it holds all of `SentTo`, `Repair`, `Status`, `ErrorCode` and
    `ErrorDetail`) loses its annotations. Otherwise a column whose name is one of `ANNOTATIONS` is kept as
    `<name>_input`; with `of_customers` the annotations of a partner's campaign are among them. The order, the index
    and the cells stay; labels of several levels become tuples.

    Example:
        >>> import pandas as pd
        >>> list(user_columns(pd.DataFrame({"Mobile": ["07700 900123"], "Status": ["on roll"]})).columns)
        ['Mobile', 'Status_input']
    """
    if not isinstance(recipients, pd.DataFrame):
        raise RecipientsError(
            f"recipients must be a DataFrame, not a {type(recipients).__name__}. Make one with read_recipients(file), "
            "or with pandas.DataFrame({'mobile': [...]})."
        )
    labels = list(recipients.columns.to_flat_index())
    fed_back = is_annotated(labels)
    annotations = {*ANNOTATIONS, *(OF_CUSTOMERS if of_customers else ())}
    ours = {*ANNOTATIONS, *(_PREVIEWED if "Parts" in labels and "MessageId" not in labels else ())}
    if "Parts" in labels and {*OF_CUSTOMERS} <= {*labels}:
        ours |= {*OF_CUSTOMERS}
    kept = [i for i, label in enumerate(labels) if not (fed_back and label in ours)]
    taken = {labels[i] for i in kept}
    names: list[Hashable] = []
    for label in (labels[i] for i in kept):
        name = label
        if label in annotations:
            while name in taken:
                name = f"{name}_input"
            taken.add(name)
        names.append(name)
    own = recipients.iloc[:, kept].copy()
    own.columns = pd.Index(names, name=recipients.columns.name, tupleize_cols=False)
    return own


def own_columns(recipients: pd.DataFrame) -> pd.DataFrame:
    """Return a new frame with the user's own columns under their own names, an earlier run's annotations left out."""
    own = user_columns(recipients)
    if len(own.columns) == len(recipients.columns):
        own.columns = recipients.columns
    return own


def named_column(columns: pd.Index, name: Hashable, *, holds: str) -> int:
    """The position of the column that the user named; forgiving about case, spaces and signs.

    Raises RecipientsError where there is none, or where several are called so; `holds` says what it is needed for.
    """
    wanted = [name, f"{name}_input"] if name in ANNOTATIONS else [name]
    attempts = (
        *([i for i, column in enumerate(columns) if _same(column, label)] for label in wanted),
        [i for i, column in enumerate(columns) if _normalised(column) == _normalised(name) != ""],
    )
    found = next((positions for positions in attempts if positions), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise RecipientsError(
            f'{len(found)} columns are called "{name}", so the one with the {holds} cannot be told. '
            "Give each column a name of its own."
        )
    near = _nearest(_normalised(name), [_normalised(column) for column in columns])
    meant = next((f'Did you mean "{_on_one_line(c)}"? ' for c in columns if near and _normalised(c) == near), "")
    raise RecipientsError(f'There is no column "{name}". {meant}The columns are: {_listed(columns)}.')


def _same(column: Hashable, label: Hashable) -> bool:
    return type(column) is type(label) and column == label


def _normalised(column: Hashable) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", str(column))).casefold()


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that this one is probably a slip of."""
    from rapidfuzz import fuzz, process  # only errors need it

    found = process.extractOne(name, known, scorer=fuzz.ratio, score_cutoff=_NEAR) if name else None
    return None if found is None else str(found[0])


def _on_one_line(column: Hashable) -> str:
    return " ".join(str(column).split())


def _listed(columns: pd.Index) -> str:
    shown = ", ".join(f'"{_on_one_line(column)}"' for column in columns[:_SHOWN_COLUMNS])
    more = len(columns) - _SHOWN_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown or "(there are none)"


def in_place(piece: pd.DataFrame, start: int) -> pd.DataFrame:
    """A piece of a list that begins at a row of it, under the numbers of its rows in the whole."""
    return piece.set_axis(pd.RangeIndex(start + 1, start + 1 + len(piece), name=ROW_NUMBER))


def row_name(index: pd.Index, position: int) -> str:
    """How a user finds a row: by its place below the header, or by its label where rows have labels."""
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return f"row {position + 1}"
    label = index[position]
    if index.name == ROW_NUMBER:
        return f"row {label}"
    try:
        return f"the row labelled {', '.join(map(str, label)) if isinstance(label, tuple) else label}"
    except Exception:  # noqa: BLE001 - an object of the user's own may raise anything; its place names the row too
        return f"row {position + 1}"
