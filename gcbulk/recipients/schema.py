"""Which rows can be sent: the pandera schemas, and the annotations that say so row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.recipients.choosing import first_usable
from gcbulk.recipients.columns import ANNOTATIONS, find_number_column, row_name, user_columns
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    import numpy.typing as npt

    from gcbulk.recipients.optouts import OptOuts

__all__ = ["ANNOTATIONS", "RecipientsSchema", "ResultsSchema", "find_number_column", "user_columns", "validate"]

_E164_OR_ADDRESS = r"^(?:\+[1-9]\d{6,14}|[^@\s]+@[^@\s]+)$"


class RecipientsSchema(pa.DataFrameModel):
    """Recipients that can all be texted: the frame that `validate` returns when it found nothing wrong.

    Call it in a pipeline that must not go on with a bad row. Extend it with rules of your own. With
    `lazy=True` all failures are reported at once: `failure_cases` has a line for each, with the row's index
    and its `ErrorCode`.

    Example:
        >>> import pandas as pd, pandera.pandas as pa
        >>> class Parents(RecipientsSchema):
        ...     Forename: str = pa.Field(str_length={"min_value": 1})
        >>> checked = validate(pd.DataFrame({"Forename": ["Zoë", ""], "Mobile": ["07700 900123", "n/a"]}))
        >>> try:
        ...     Parents.validate(checked, lazy=True)
        ... except pa.errors.SchemaErrors as errors:
        ...     errors.failure_cases[["column", "failure_case", "index"]]
              column    failure_case  index
        0  ErrorCode  NUMBER_MISSING      1
        1   Forename                      1
    """

    SentTo: str = pa.Field(nullable=True, str_matches=_E164_OR_ADDRESS)
    ErrorCode: str = pa.Field(nullable=True)

    @pa.check("ErrorCode", name="can be sent")
    def can_be_sent(cls, codes: pd.Series) -> pd.Series:  # noqa: N805 - pandera makes it a class method
        return codes.isna()

    @pa.dataframe_check(name="a number or the reason why not")
    def has_number_or_reason(cls, frame: pd.DataFrame) -> pd.Series:  # noqa: N805
        return frame["SentTo"].notna() | frame["ErrorCode"].notna()


class ResultsSchema(pa.DataFrameModel):
    """Results as a send returns them: every row has exactly one of `MessageId` and `ErrorCode`.

    Example:
        >>> import pandas as pd
        >>> row = {"SentTo": "+447700900123", "Status": "accepted", "MessageId": "1469.1", "ErrorCode": None}
        >>> len(ResultsSchema.validate(pd.DataFrame([row]).astype("str")))
        1
    """

    SentTo: str = pa.Field(nullable=True, str_matches=_E164_OR_ADDRESS)
    Status: str = pa.Field(isin=[str(status) for status in Status])
    MessageId: str = pa.Field(nullable=True)
    ErrorCode: str = pa.Field(nullable=True, isin=[str(code) for code in ErrorCode])

    @pa.dataframe_check(name="exactly one of MessageId and ErrorCode")
    def exactly_one(cls, frame: pd.DataFrame) -> pd.Series:  # noqa: N805
        return frame["MessageId"].notna() ^ frame["ErrorCode"].notna()


def validate(
    recipients: pd.DataFrame,
    *,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
    international: bool = False,
    opt_outs: OptOuts | None = None,
    one_per_number: bool = False,
    email_column: Hashable | None = None,
    channel: str = "sms",
) -> pd.DataFrame:
    """Say of every row whether it can be texted or emailed, and why not; nothing is sent and nothing left out.

    Args:
        recipients: any DataFrame: any index, columns and dtypes. It is not modified.
        number_column: the column of the numbers, where its name does not give it away.
        number_columns: several columns of numbers, the best first: the first number of a row that can be
            texted is used. For a row each, see `row_per_number`.
        international: accept mobiles of other countries too.
        opt_outs: who must not be texted: a path, Series, DataFrame or any iterable of numbers. The user's own
            list (`add_opt_outs`) is applied besides.
        one_per_number: only the first row of each number, or address, is `ready`.
        email_column: the column of the addresses, where its name does not give it away.
        channel: "sms", or "email" to check addresses instead of numbers. `ErrorDetail` beside an address that can be
            written to asks about a likely slip (`gamil.com`), which is never changed.

    Returns:
        The user's columns (see `user_columns`) under the same index and in the same order, and `SentTo`,
        `Repair`, `Status`, `ErrorCode` and `ErrorDetail` of dtype `str`, NaN where there is nothing to say.
        `Status` is `ready`, `invalid`, `opted_out`, or `duplicate`: the row equals an earlier ready one in
        every column, the number compared in E.164, so that every text would be the same. Details name a row as
        "row 5", counted from 1 below the header, or by its label where the index has labels of its own.

    Raises:
        RecipientsError: the column of the numbers cannot be told, or the opt-out list cannot be read.
        OptionError: an option has a value that cannot be used.

    Example:
        >>> import pandas as pd
        >>> checked = validate(pd.DataFrame({"Mobile": ["07700 900123", "07700900123", "020 7946 0123"]}))
        >>> checked[["SentTo", "Status", "ErrorCode"]]
                  SentTo     Status          ErrorCode
        0  +447700900123      ready                NaN
        1  +447700900123  duplicate          DUPLICATE
        2            NaN    invalid  NUMBER_NOT_MOBILE
    """
    intake = IntakeOptions(
        number_column=number_column,
        number_columns=number_columns,
        international=international,
        opt_outs=opt_outs,
        one_per_number=one_per_number,
        email_column=email_column,
        kind=kind_of(channel),
    )
    return check(recipients, intake)


def check(recipients: pd.DataFrame, intake: IntakeOptions) -> pd.DataFrame:
    """What `validate` does."""
    checked = annotated(recipients, intake)
    own = user_columns(recipients)
    positions = intake.positions(own.columns)
    notes = checked.iloc[:, own.shape[1] :].reset_index(drop=True)
    ready = notes["Status"] == Status.READY
    compared = [] if intake.one_per_number else [i for i in range(own.shape[1]) if i not in positions]
    repeats, firsts = _repeats(own.iloc[:, compared], notes["SentTo"], ready)
    _mark(notes, repeats, Status.DUPLICATE, ErrorCode.DUPLICATE)
    notes.loc[repeats, "ErrorDetail"] = repeat_details(own.index, firsts, intake)
    return _beside(own, notes)


def annotated(recipients: pd.DataFrame, intake: IntakeOptions) -> pd.DataFrame:
    """What can be said of each row by itself: `validate`, but for the rows that repeat an earlier one."""
    own = user_columns(recipients)
    opted_out = intake.opted_out()
    positions = intake.positions(own.columns)
    notes = first_usable(own, positions, intake, opted_out=opted_out)
    notes.insert(2, "Status", pd.Series(str(Status.READY), index=notes.index, dtype="str"))
    notes.loc[_failing(notes), "Status"] = str(Status.INVALID)
    if opted_out:
        _mark(notes, notes["SentTo"].isin(opted_out), Status.OPTED_OUT, ErrorCode.OPTED_OUT)
    return _beside(own, notes)


def _beside(own: pd.DataFrame, notes: pd.DataFrame) -> pd.DataFrame:
    """The user's columns with our notes beside them, under the user's index."""
    columns = [*own.columns, *notes.columns]
    joined = pd.concat([own, notes.set_axis(own.index)], axis=1)
    joined.columns = pd.Index(columns, name=own.columns.name, tupleize_cols=False)
    return joined


def repeat_details(index: pd.Index, firsts: Iterable[int], intake: IntakeOptions) -> list[str]:
    """Why rows are duplicates, by the positions of the rows that go in their stead."""
    noun, message = intake.kind.noun, intake.kind.message
    a = "an" if noun[0] in "aeiou" else "a"
    same, why = (
        (
            f"The same {noun} as",
            f"One {message} {a} {noun} was asked for (one_per_{noun}), so this row was left out.",
        )
        if intake.one_per_number
        else ("The same as", SENTENCES[ErrorCode.DUPLICATE])
    )
    return [f"{same} {row_name(index, first)}. {why}" for first in firsts]


def _failing(notes: pd.DataFrame) -> npt.NDArray[np.intp]:
    """The positions of the rows that the schema refuses."""
    try:
        RecipientsSchema.validate(notes, lazy=True)
    except SchemaErrors as errors:
        return np.unique(errors.failure_cases["index"].to_numpy(dtype=np.intp))
    return np.array([], dtype=np.intp)


def _mark(notes: pd.DataFrame, rows: Any, status: Status, code: ErrorCode) -> None:
    notes.loc[rows, "Status"] = str(status)
    notes.loc[rows, "ErrorCode"] = str(code)
    notes.loc[rows, "ErrorDetail"] = SENTENCES[code]


def _repeats(
    compared: pd.DataFrame, sent_to: pd.Series, ready: pd.Series
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The positions of ready rows of a number that equal an earlier one of it, and those of the earlier ones."""
    shared = np.flatnonzero(ready & sent_to.where(ready).duplicated(keep=False))
    keys = {"SentTo": _codes(sent_to.iloc[shared])}
    keys |= {str(i): _codes(compared.iloc[shared, i]) for i in range(compared.shape[1])}
    groups = pd.DataFrame(keys).groupby(list(keys), sort=False).ngroup().to_numpy()
    first_of_group = pd.Series(shared).groupby(groups).transform("first").to_numpy()
    later = first_of_group != shared
    return shared[later], first_of_group[later]


def _codes(column: pd.Series) -> npt.NDArray[np.intp]:
    """A number for each different cell; mixed objects are compared as they print, as not all can be hashed."""
    return pd.factorize(column.map(_printed) if column.dtype == object else column)[0]


def _printed(cell: object) -> str:
    """A cell as it prints; what cannot be printed equals nothing but itself."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return hex(cell)  # Python refuses to print the digits of very long ones
    try:
        return repr(cell)
    except Exception:  # noqa: BLE001 - an object of the user's own may raise anything
        return f"{type(cell).__name__} {id(cell)}"
