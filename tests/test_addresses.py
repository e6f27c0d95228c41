"""Email addresses as people write them: taken, mended, or refused with a reason; agreeing with email-validator."""

from __future__ import annotations

import pandas as pd
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.recipients.addresses import likely_slip, to_address
from gcbulk.recipients.columns import ADDRESSES, EMAIL_HEADINGS, find_column
from gcbulk.recipients.optouts import opt_out_numbers

TAKEN = {
    "ann@example.org": ("ann@example.org", None),
    "  Ann@Example.ORG ": ("ann@example.org", None),
    "O'Neil@example.sch.uk": ("o'neil@example.sch.uk", None),
    "\u200bann@example.org": ("ann@example.org", "removed invisible marks"),
    "'ann@example.org": ("ann@example.org", "removed the apostrophe before it"),
    "Khan-O’Neil, Ann (mum) <ann@example.org>": ("ann@example.org", "taken from beside its name"),
    "Mr & Mrs A. B. Lateef <ann@example.org>": ("ann@example.org", "taken from beside its name"),
    "ann@example.org; Ann@Example.org": ("ann@example.org", "removed a second copy of the address"),
    "ann@example.org <ann@example.org>": ("ann@example.org", "removed a second copy of the address"),
    "Ann Khan <ann@example.org>": ("ann@example.org", "taken from beside its name"),
    "mailto:ann@example.org": ("ann@example.org", "removed mailto:"),
    "Email: ann@example.org": ("ann@example.org", "removed the word before it"),
    "<ann@example.org>": ("ann@example.org", "taken from beside its name"),
    "ann@example.org.": ("ann@example.org", "removed the sign at its end"),
    "ann @ example.org": ("ann@example.org", "removed spaces around the @"),
    "ann@exämple.org": ("ann@xn--exmple-cua.org", None),
}
REFUSED = {
    "": "EMAIL_MISSING",
    "n/a": "EMAIL_MISSING",
    "No email": "EMAIL_MISSING",
    "-": "EMAIL_MISSING",
    None: "EMAIL_MISSING",
    "ann": "EMAIL_INVALID",
    "ann@example": "EMAIL_INVALID",
    "ann@@example.org": "EMAIL_INVALID",
    "a b@example.org": "EMAIL_INVALID",
    "ann..b@example.org": "EMAIL_INVALID",
    "zoë@example.org": "EMAIL_INVALID",
    "ann@example.org\nBcc: bob@example.org": "EMAIL_AMBIGUOUS",
    f"{'x' * 65}@example.org": "EMAIL_INVALID",
    "a@example.org; b@example.org": "EMAIL_AMBIGUOUS",
    "a@example.org or b@example.org": "EMAIL_AMBIGUOUS",
    "a@example.org,b@example.org": "EMAIL_AMBIGUOUS",
    "a@example.org&b@example.org": "EMAIL_AMBIGUOUS",
    "a@example.org, a@example.org or b@example.org": "EMAIL_AMBIGUOUS",
}
WORDS_OF_DOUBT = (
    *("NO CONTACT - court order ", "Do not email ", "unsubscribed ", "Deceased", "Ann Khan (don’t use) ", "old"),
    *("Dad: bounced ", "ex-husband ", "07700 900123 ", "Ann wants all that concerns her daughter Zoe Khan "),
)
REASONS = {
    "zoë@example.org": "a letter with an accent",
    "o’neill@example.org": "a curly apostrophe",
    "ann.@example.org": "ends with a full stop",
    "ann..b@example.org": "two full stops",
    "ann@example,org": "a comma where a full stop should be",
    "ann@example.org?": "Behind the @ there is a sign",
    "ann@@example.org": "more than one @",
    "a b@example.org": "a space",
    "ann@example": "no ending",
}


@pytest.mark.parametrize("cell", TAKEN)
def test_addresses_that_can_be_used(cell: str) -> None:
    found = to_address(pd.Series([cell])).iloc[0]
    address, repair = TAKEN[cell]
    assert (found["SentTo"], found["Repair"] if repair else None) == (address, repair)
    assert pd.isna(found["ErrorCode"])


@pytest.mark.parametrize("cell", REFUSED)
def test_cells_that_hold_no_one_address(cell: str | None) -> None:
    found = to_address(pd.Series([cell], dtype=object)).iloc[0]
    assert found["ErrorCode"] == REFUSED[cell]
    assert pd.isna(found["SentTo"])
    assert found["ErrorDetail"]
    if cell and "@" in cell:
        assert cell not in found["ErrorDetail"]


@pytest.mark.parametrize("words", WORDS_OF_DOUBT)
def test_words_beside_an_address_that_are_no_name_are_for_a_person_to_decide(words: str) -> None:
    found = to_address(pd.Series([f"{words}<dad@example.org>"])).iloc[0]
    assert (found["ErrorCode"], pd.isna(found["SentTo"])) == ("EMAIL_AMBIGUOUS", True)
    assert found["ErrorDetail"].startswith(f'Beside the address it says "{words.strip()}". ')
    assert "dad@" not in found["ErrorDetail"]


@pytest.mark.parametrize("cell", REASONS)
def test_why_a_cell_is_no_address(cell: str) -> None:
    found = to_address(pd.Series([cell])).iloc[0]
    assert found["ErrorCode"] == "EMAIL_INVALID"
    assert REASONS[cell] in found["ErrorDetail"]
    assert cell not in found["ErrorDetail"]


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gamil.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.co.uk", "gmail.com"),
        ("hotmial.co.uk", "hotmail.co.uk"),
        ("outlok.com", "outlook.com"),
        ("email.com", None),
        ("mail.com", None),
        ("gmail.com", None),
        ("oak.sch.uk", None),
    ],
)
def test_slips_are_asked_about_and_never_changed(domain: str, meant: str | None) -> None:
    assert likely_slip(domain) == meant
    checked = gcbulk.validate(pd.DataFrame({"email": [f"ann@{domain}"]}), channel="email").iloc[0]
    assert (checked["SentTo"], checked["Status"]) == (f"ann@{domain}", "ready")
    assert pd.isna(checked["ErrorCode"])
    assert (f"{meant} is near" in str(checked["ErrorDetail"])) == (meant is not None)


@given(st.text("ab.+'-@ _é<>,;Z9", max_size=24) | st.emails(domains=st.just("example.org")))
def test_what_is_taken_is_valid_and_taking_it_again_changes_nothing(cell: str) -> None:
    found = to_address(pd.Series([cell, cell])).iloc[1]
    assert pd.isna(found["SentTo"]) != pd.isna(found["ErrorCode"])
    if isinstance(found["SentTo"], str):
        assert validate_email(found["SentTo"], check_deliverability=False).ascii_email.lower() == found["SentTo"]
        assert to_address(pd.Series([found["SentTo"]]))["SentTo"].iloc[0] == found["SentTo"]


@given(st.emails())
@settings(max_examples=50, deadline=None)
def test_what_email_validator_takes_is_taken(cell: str) -> None:
    try:
        wanted = validate_email(cell, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError:
        wanted = None
    found = to_address(pd.Series([cell]))["SentTo"].iloc[0]
    if wanted is not None:  # but for Excel's mark of a text, which email-validator takes for a part of it
        bare = wanted.lower().lstrip("'")
        assert found == (wanted.lower() if bare.startswith("@") else bare)


@pytest.mark.parametrize("heading", [name for names in EMAIL_HEADINGS.values() for name in names])
def test_the_column_is_found_by_the_names_that_school_systems_use(heading: str) -> None:
    columns = pd.Index(["Forename", heading, "Mobile", "Address Line 1"])
    assert find_column(columns, ADDRESSES) == 1


def test_a_column_that_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(gcbulk.RecipientsError, match="email_column= \\(--email-column\\)"):
        gcbulk.validate(pd.DataFrame({"Parent 1 Email": ["a@b.org"], "Parent 2 Email": [""]}), channel="email")
    with pytest.raises(gcbulk.RecipientsError, match="called email"):
        gcbulk.validate(pd.DataFrame({"Mobile": ["07700 900123"]}), channel="email")


def test_one_opt_out_list_holds_numbers_and_addresses() -> None:
    listed = pd.DataFrame({"Mobile": ["07700 900123", ""], "Email": ["", "Ann@Example.org"]})
    people = pd.DataFrame({"mobile": ["07700 900123"], "email": ["ann@example.org"]})
    for channel in ("sms", "email"):
        assert gcbulk.validate(people, channel=channel, opt_outs=listed)["Status"].tolist() == ["opted_out"]
    gcbulk.add_opt_outs(["'ann@example.org"])  # as Excel leaves it
    assert gcbulk.validate(people, channel="email")["Status"].tolist() == ["opted_out"]
    assert gcbulk.validate(people)["Status"].tolist() == ["ready"]
    with pytest.warns(gcbulk.GcbulkWarning, match="no column with any address"):
        gcbulk.validate(people, channel="email", opt_outs=["07700 900123"])


PAIRS = {  # a list of two people, and what is said where it cannot be read
    "Email\ned@example.org\n{pair}\n": "2 cells in line 3",
    "ed@example.org\n{pair}\n": "2 cells in line 2",
    "Email{sign}\ned@example.org{sign}\n{pair}\n": None,
    "{pair}\ned@example.org\n": None,
    'Email\ned@example.org\n"{pair}"\n': None,
    "Name|Email\nEd|ed@example.org\nCy|{pair}\n": None,
}


@pytest.mark.parametrize("sign", [";", ","])
@pytest.mark.parametrize("content", PAIRS)
def test_nobody_is_lost_behind_a_separator_in_an_opt_out_list(content: str, sign: str) -> None:
    listed = content.format(pair=f"cy@example.org{sign} di@example.org", sign=sign).encode()
    if refusal := PAIRS[content]:
        with pytest.raises(gcbulk.RecipientsError, match=refusal):
            opt_out_numbers(listed)
    else:
        assert opt_out_numbers(listed) == {"ed@example.org", "cy@example.org", "di@example.org"}


def test_a_row_with_an_address_is_no_header() -> None:
    read = gcbulk.read_recipients(b"Email,\nann@example.org,\nbob@example.org,x\n")
    assert read["Email"].tolist() == ["ann@example.org", "bob@example.org"]
    with pytest.raises(gcbulk.RecipientsError, match="begins with a row that looks like a recipient"):
        gcbulk.read_recipients(b"Ann,ann@example.org\nBob,bob@example.org\n")
