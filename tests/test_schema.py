from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import RecipientsError
from gcbulk.recipients.columns import HEADINGS
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.schema import (
    ANNOTATIONS,
    RecipientsSchema,
    ResultsSchema,
    find_number_column,
    user_columns,
    validate,
)

steady = settings(deadline=None, derandomize=True, max_examples=40)
ADDED = ["SentTo", "Repair", "Status", "ErrorCode", "ErrorDetail"]
SAMPLES = Path(__file__).parents[1] / "sample_data"


@pytest.mark.parametrize(
    "name",
    [
        *("mobile", "Mobile", "MOBILE", "Mobile Number", "mobile_number", "MobileNumber", "Mobile No.", "Mobile Phone"),
        *("Parent 1 Mobile", "parent1_mobile", "Contact Mobile", "Mother's Mobile", "Priority Contact 1 Mobile"),
        *("Parent/Carer Mobile", "Mobile 1", "phone", "Phone Number", "Telephone", "Tel", "Tel No", "Parent Telephone"),
        *("P1 Mobile", "Parent Mobile (SMS)", "Telephone Number (Mobile)", "Legal Guardian 1 Mobile", "C2 Mobile"),
        *("  Mobile\nNumber ", "Ｍobile", "Contact Number", "SMS"),
    ],
)
def test_number_column_is_found_by_name(name: str) -> None:
    assert find_number_column(pd.Index(["Forename", "Admission No", "House number", name])) == 3


@pytest.mark.parametrize(("system", "name"), [(s, name) for s, names in HEADINGS.items() for name in names])
def test_the_systems_that_schools_export_from(system: str, name: str) -> None:
    others = ["UPN", "Adno", "Legal Forename", "Reg Group", "Home Telephone", "Contact Email", "Pupil Mobile"]
    assert find_number_column(pd.Index([*others, name])) == len(others)


def test_a_slip_in_a_name_is_told() -> None:
    with pytest.raises(RecipientsError, match='Is it "Mobil Numbr"'):
        find_number_column(pd.Index(["Forename", "Mobil Numbr"]))
    with pytest.raises(RecipientsError, match='Did you mean "Parent Mobile"'):
        find_number_column(pd.Index(["Forename", "Parent Mobile"]), "Parent Mobil")
    with pytest.raises(RecipientsError) as caught:
        find_number_column(pd.Index(["Forename", "Class"]), "Handset")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "position"),
    [
        (["Phone", "Parent Mobile", "Home Phone"], 1),
        (["Home Phone", "Telephone"], 1),
        (["Contact Number", "Phone"], 1),
        ([1, ("a", "b"), "Mobile"], 2),
        (["Pupil Mobile", "Mobile"], 1),
        (["Mobile Provider", "Tel"], 1),
    ],
)
def test_a_name_that_says_mobile_beats_one_that_says_phone(columns: list[object], position: int) -> None:
    assert find_number_column(pd.Index(columns, tupleize_cols=False)) == position


@pytest.mark.parametrize(
    ("columns", "number_column", "words"),
    [
        (["Forename", "Class"], None, ['"Forename", "Class"', "--number-column"]),
        ([], None, ["there are none"]),
        ([0, 1], None, ['"0", "1"']),
        (["Mobile 1", "Mobile 2"], None, ['"Mobile 1", "Mobile 2"', "--number-column"]),
        (["Mobile", "Mobile"], None, ['"Mobile", "Mobile"']),
        (["Mobile", "Class"], "Cell", ['no column "Cell"', '"Mobile", "Class"']),
        (["a", "a", "b"], "a", ['2 columns are called "a"']),
        ([f"c{i}" for i in range(100)], None, ['"c29" and 70 more']),
    ],
)
def test_number_column_that_cannot_be_told(columns: list[object], number_column: object, words: list[str]) -> None:
    with pytest.raises(RecipientsError) as caught:
        find_number_column(pd.Index(columns), number_column)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("columns", "number_column", "position"),
    [
        (["a", "b"], "b", 1),
        (["a", "Other No."], "other no", 1),
        ([0, 1], 1, 1),
        ([0, 1], "1", 1),
        ([True, 1], 1, 1),
        ([("x", "a"), ("x", "b")], ("x", "b"), 1),
        (["a", "a", "b"], "b", 2),
        (["Status", "Status_input"], "Status", 0),
        (["Name", "SentTo_input"], "SentTo", 1),
    ],
)
def test_number_column_by_label(columns: list[object], number_column: object, position: int) -> None:
    assert find_number_column(pd.Index(columns, tupleize_cols=False), number_column) == position


def test_clashing_columns_are_kept_under_another_name() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["Status", "Mobile", "Status_input", "MessageId"])
    own = user_columns(frame)
    assert list(own) == ["Status_input_input", "Mobile", "Status_input", "MessageId_input"]
    assert own.iloc[0].tolist() == [1, 2, 3, 4]
    assert list(frame) == ["Status", "Mobile", "Status_input", "MessageId"]


def test_annotations_of_a_frame_fed_back_are_replaced() -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123", "n/a"], "Status": ["here", "away"]})
    checked = validate(frame)
    assert list(checked) == ["Mobile", "Status_input", *ADDED]
    mended = checked.assign(Mobile=["07700 900123", "07700 900124"], MessageId=None, UnitsBilled=None)
    again = validate(mended)
    assert list(again) == ["Mobile", "Status_input", *ADDED]
    assert again["Status"].tolist() == ["ready", "ready"]


def test_statuses_and_details_row_by_row() -> None:
    frame = pd.DataFrame(
        {
            "Forename": ["Zoë", "Zoë", "Ffion", "Abdi", "Jan", "Jan"],
            "Mobile": ["07700 900123", "+447700900123", "07700900123", "n/a", "07700 900124", "07700 900124"],
        }
    )
    checked = validate(frame, opt_outs=["+44 (0)7700 900124"])
    assert checked["Status"].tolist() == ["ready", "duplicate", "ready", "invalid", "opted_out", "opted_out"]
    codes = ["", "DUPLICATE", "", "NUMBER_MISSING", "OPTED_OUT", "OPTED_OUT"]
    assert checked["ErrorCode"].fillna("").tolist() == codes
    assert checked.loc[1, "ErrorDetail"] == f"The same as row 1. {SENTENCES[ErrorCode.DUPLICATE]}"
    assert checked.loc[4, "ErrorDetail"] == SENTENCES[ErrorCode.OPTED_OUT]
    assert pd.isna(checked.loc[0, "ErrorDetail"])
    assert set(checked[ADDED].dtypes) == {pd.Series(["a"]).dtype}


def test_three_of_a_kind_all_name_the_first_ready_row() -> None:
    checked = validate(pd.DataFrame({"Mobile": ["n/a", "n/a", "07700 900123", "7700900123", "07700.900123"]}))
    assert checked["Status"].tolist() == ["invalid", "invalid", "ready", "duplicate", "duplicate"]
    assert checked["ErrorDetail"].str.startswith("The same as row 3.").tolist()[3:] == [True, True]


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (pd.Index(["a", "a", "b"]), "the row labelled a"),
        (pd.RangeIndex(10, 13), "the row labelled 10"),
        (pd.MultiIndex.from_tuples([("5B", 1), ("5B", 1), ("5C", 1)]), "the row labelled 5B, 1"),
        (pd.Index([np.nan, np.nan, 1.0]), "the row labelled nan"),
    ],
)
def test_any_index_is_kept_and_names_the_row(index: pd.Index, name: str) -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123", "07700 900123", "n/a"], "Year": [7, 7, 8]}, index=index)
    checked = validate(frame)
    assert checked.index.equals(index)
    assert checked["Status"].tolist() == ["ready", "duplicate", "invalid"]
    assert checked["ErrorDetail"].iloc[1].startswith(f"The same as {name}.")


@pytest.mark.parametrize(
    ("extra", "repeated"),
    [
        ([1.5, 1.5], True),
        ([1, 2], False),
        ([None, None], True),
        ([pd.NA, "x"], False),
        ([[1], [1]], True),
        ([{"a": 1}, [1]], False),
        (pd.Categorical(["a", "a"]), True),
        (pd.Categorical(["a", "b"]), False),
        (pd.to_datetime(["2026-11-23", "2026-11-23"]), True),
        ([Decimal("sNaN"), Decimal(1)], False),
    ],
)
def test_duplicates_are_equal_in_every_column(extra: list[object], repeated: bool) -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123", "07700-900123"], "x": extra})
    assert (validate(frame)["Status"].iloc[1] == Status.DUPLICATE) is repeated


def test_columns_of_one_name_and_of_several_levels() -> None:
    twice = pd.DataFrame([["Al", "07700 900123", "x"], ["Al", "07700 900123", "y"]], columns=["n", "Mobile", "n"])
    assert list(validate(twice)) == ["n", "Mobile", "n", *ADDED]
    assert validate(twice)["Status"].tolist() == ["ready", "ready"]
    levels = pd.DataFrame([[1, "07700 900123"]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    checked = validate(levels, number_column=("a", "y"))
    assert list(checked) == [("a", "x"), ("a", "y"), *ADDED]
    assert checked["SentTo"].tolist() == ["+447700900123"]


def test_empty_frame_gets_its_annotations() -> None:
    checked = validate(pd.DataFrame({"Mobile": []}))
    assert list(checked) == ["Mobile", *ADDED]
    assert checked.empty


def test_international_and_opt_outs_of_any_country() -> None:
    frame = pd.DataFrame({"Mobile": ["+61 491 570 156"]})
    assert validate(frame)["ErrorCode"].tolist() == [ErrorCode.NUMBER_NOT_UK]
    assert validate(frame, international=True)["Status"].tolist() == ["ready"]
    out = validate(frame, international=True, opt_outs=["0061491570156"])
    assert out["Status"].tolist() == ["opted_out"]


cells = st.one_of(
    st.text(max_size=12),
    st.floats(),
    st.integers(),
    st.decimals(),
    st.sampled_from(
        [None, np.nan, pd.NA, "07700 900123", 7700900123, 7700900123.0, "\ud800", "n/a", [1], 10**5000, [10**5000]]
    ),
)


class Unprintable:
    def __repr__(self) -> str:
        raise OSError


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (10**5000, 1, "ready"),
        (10**5000, 10**5000 + 1, "ready"),
        (10**5000, 10**5000, "duplicate"),
        (Unprintable(), Unprintable(), "ready"),
        ([10**5000], Unprintable(), "ready"),
    ],
    ids=range(5),
)
def test_cells_that_python_will_not_print_are_compared(first: object, second: object, status: str) -> None:
    frame = pd.DataFrame({"Mobile": ["07700900131"] * 2, "x": pd.Series([first, second], dtype="object")})
    assert validate(frame)["Status"].tolist() == ["ready", status]


@pytest.mark.parametrize("label", [10**5000, Unprintable()], ids=range(2))
def test_labels_that_python_will_not_print_do_not_stop_it(label: object) -> None:
    frame = pd.DataFrame({"Mobile": ["07700900131"] * 2}, index=pd.Index([label, "x"], dtype="object"))
    checked = validate(frame)
    assert checked["Status"].tolist() == ["ready", "duplicate"]
    assert checked["ErrorDetail"].iloc[1].startswith("The same as row 1.")


def shown(frame: pd.DataFrame) -> list[str]:
    return [
        hex(x) if isinstance(x, int) else "a list" if isinstance(x, list) else str(x) for x in frame.to_numpy().ravel()
    ]


@steady
@given(
    st.lists(st.tuples(cells, cells), max_size=12),
    st.sampled_from(["object", "best"]),
    st.sampled_from([None, "doubled"]),
    st.sampled_from([{}, {"number_columns": ["Note", "Mobile"]}, {"one_per_number": True, "international": True}]),
)
def test_validate_never_raises_or_touches_its_input(
    rows: list[tuple[object, object]], kind: str, index: object, options: dict[str, object]
) -> None:
    frame = pd.DataFrame({"Mobile": [a for a, _ in rows], "Note": [b for _, b in rows]}, dtype="object")
    if kind == "best":
        frame = (
            frame.convert_dtypes()
            if not any(isinstance(c, list) or (isinstance(c, str) and "\ud800" in c) for row in rows for c in row)
            else frame
        )
    if index == "doubled":
        frame.index = pd.Index([i // 2 for i in range(len(frame))])
    before = frame.copy(deep=True)
    checked = validate(frame, opt_outs={"+447700900124"}, **options)  # type: ignore[arg-type]
    assert list(checked) == ["Mobile", "Note", *ADDED]
    assert checked.index.equals(before.index)
    assert shown(frame) == shown(before)
    assert list(frame) == ["Mobile", "Note"]
    ready = checked["Status"] == Status.READY
    assert (ready == checked["ErrorCode"].isna()).all()
    assert checked.loc[ready, "SentTo"].notna().all()


@pytest.mark.parametrize("values", [[7700900123.0, np.nan], [7700900123, 5], pd.Categorical(["07700900123", "x"])])
def test_dtypes_that_pandas_and_excel_leave(values: list[object]) -> None:
    checked = validate(pd.DataFrame({"Mobile": values}))
    assert checked["Status"].tolist() == ["ready", "invalid"]
    assert checked["Mobile"].dtype == pd.Series(values).dtype


def test_recipients_schema_reports_all_failures_at_once_and_can_be_extended() -> None:
    class Parents(RecipientsSchema):
        Forename: str = pa.Field(str_length={"min_value": 1})

    good = validate(pd.DataFrame({"Forename": ["Zoë"], "Mobile": ["07700 900123"]}))
    assert len(Parents.validate(good, lazy=True)) == 1
    bad = validate(pd.DataFrame({"Forename": ["", "Al", "Bo"], "Mobile": ["07700 900123", "n/a", "020 7946 0000"]}))
    with pytest.raises(pa.errors.SchemaErrors) as caught:
        Parents.validate(bad, lazy=True)
    failures = set(caught.value.failure_cases[["column", "failure_case", "index"]].itertuples(index=False, name=None))
    assert failures == {
        ("Forename", "", 0),
        ("ErrorCode", "NUMBER_MISSING", 1),
        ("ErrorCode", "NUMBER_NOT_MOBILE", 2),
    }


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"Status": "unknown", "MessageId": None, "ErrorCode": "OUTCOME_UNKNOWN"}, True),
        ({"MessageId": None}, False),
        ({"ErrorCode": "STOPPED"}, False),
        ({"Status": "ready"}, True),
        ({"Status": "lost"}, False),
        ({"MessageId": None, "ErrorCode": "OOPS"}, False),
    ],
)
def test_results_schema_holds_the_invariant(change: dict[str, str | None], holds: bool) -> None:
    row = {"SentTo": "+447700900123", "Status": "accepted", "MessageId": "1469.1-a", "ErrorCode": None, **change}
    frame = pd.DataFrame([row]).astype("str")
    if holds:
        ResultsSchema.validate(frame, lazy=True)
    else:
        with pytest.raises(pa.errors.SchemaErrors):
            ResultsSchema.validate(frame, lazy=True)


def test_annotations_are_those_of_the_design() -> None:
    design = "SentTo Repair Status MessageId ErrorCode ErrorDetail Parts ClientRef AcceptedAt"
    news = "DeliveryStatus DeliveredAt DeliveryError UnitsBilled"
    assert " ".join(ANNOTATIONS) == f"{design} {news}"


def test_a_messy_workbook_is_read_and_its_numbers_found() -> None:
    pupils = read_recipients(SAMPLES / "absent-today.xlsx")
    assert pupils.attrs["reading"] == ['Read the sheet "Absent".', "Left out lines 1, 2, above the header."]
    assert pupils.shape == (13, 7)
    checked = validate(pupils, number_columns=["Parent 1 Mobile", "Parent 2 Mobile"])
    assert checked["Status"].value_counts().to_dict() == {"ready": 10, "invalid": 3}
    assert checked["Repair"].str.contains("taken from").sum() == 5


def test_sample_data_shows_what_happens_in_schools() -> None:
    recipients = read_recipients(SAMPLES / "recipients.csv")
    checked = validate(recipients, opt_outs=SAMPLES / "opt-outs.csv")
    assert len(recipients) == 300
    pd.testing.assert_frame_equal(checked[recipients.columns], recipients)
    statuses = checked["Status"].value_counts().to_dict()
    assert statuses == {"ready": 275, "invalid": 20, "opted_out": 3, "duplicate": 2}
    codes = set(checked["ErrorCode"].dropna())
    assert codes >= {"NUMBER_MISSING", "NUMBER_NOT_MOBILE", "NUMBER_NOT_UK", "NUMBER_AMBIGUOUS", "NUMBER_TOO_SHORT"}
    assert checked["Repair"].nunique() > 5
    ready = checked[checked["Status"] == "ready"]
    assert ready["SentTo"].duplicated().sum() > 10  # siblings
    assert 0 < (recipients["Parent Name"] == "").sum() < 10
    numbers = checked["SentTo"].dropna().str.removeprefix("+447700900").astype(int)
    assert numbers.between(1, 899).all()  # from 900 up, and 000, the sandbox plays tricks
