"""Filters of our own: names, dates, amounts."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.messages.filters import name_case, pounds, uk_date
from gcbulk.messages.template import Template


def one(message: str, value: object) -> pd.Series:
    return Template(message).render(pd.DataFrame({"X": pd.Series([value], dtype=object)})).iloc[0]


@pytest.mark.parametrize(
    ("exported", "name"),
    [
        ("SMITH", "Smith"),
        ("smith", "Smith"),
        ("O'NEILL", "O'Neill"),
        ("o’neill", "O’Neill"),
        ("D'SOUZA", "D'Souza"),
        ("MCDONALD", "McDonald"),
        ("MACDONALD", "MacDonald"),
        ("MACEY", "Macey"),
        ("MACK", "Mack"),
        ("ANNE-MARIE SMITH-JONES", "Anne-Marie Smith-Jones"),
        ("O'BRIEN-MCKENZIE", "O'Brien-McKenzie"),
        ("JAN VAN DER BERG", "Jan van der Berg"),
        ("VAN DER BERG", "van der Berg"),
        ("DE LA CRUZ", "de la Cruz"),
        ("MS DE SOUZA", "Ms de Souza"),
        ("DE SOUZA", "De Souza"),
        ("VAN", "Van"),
        ("RHYS AP GRUFFYDD", "Rhys ap Gruffydd"),
        ("MR & MRS O'NEILL", "Mr & Mrs O'Neill"),
        ("MR AND MRS KHAN", "Mr and Mrs Khan"),
        ("ST JOHN", "St John"),
        ("J.R. HARTLEY", "J.R. Hartley"),
        ("JOHN SMITH III", "John Smith III"),
        ("SIÂN ŁUKASZ", "Siân Łukasz"),
        ("Ms KHAN", "Ms Khan"),
        ("AJ Smith", "AJ Smith"),
        ("DeShawn McDonald", "DeShawn McDonald"),
        ("anna McDonald", "Anna McDonald"),
        ("李明", "李明"),
        ("7A", "7A"),
        ("", ""),
    ],
)
def test_names(exported, name):
    assert name_case(exported) == name


@given(st.text(st.sampled_from("abcmoMCDOZ éÉŵŴ-'’."), max_size=20))
@settings(deadline=None, derandomize=True)
def test_a_name_keeps_its_letters_and_a_second_pass_changes_nothing(name):
    once = name_case(name)
    assert once.lower() == name.lower()
    assert name_case(once) == once


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-11-24", "24/11/2026"),
        ("24/11/2026", "24/11/2026"),
        ("4/1/2026", "04/01/2026"),
        ("24-11-26", "24/11/2026"),
        ("24.11.2026", "24/11/2026"),
        ("24 November 2026", "24/11/2026"),
        ("24  nov 2026", "24/11/2026"),
        ("24-Nov-26", "24/11/2026"),
        ("2026-11-24 00:00:00", "24/11/2026"),
        ("2026-11-24T08:30:00Z", "24/11/2026"),
        ("11/24/2026", None),
        ("31/02/2026", None),
        ("tomorrow", None),
    ],
)
def test_dates(cell, day):
    assert uk_date(cell) == day


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("12", "£12.00"),
        ("12.5", "£12.50"),
        ("£1,234.5", "£1,234.50"),
        ("1234567", "£1,234,567.00"),
        ("-3.5", "-£3.50"),
        ("-£3", "-£3.00"),
        ("£-3", "-£3.00"),
        ("0.005", "£0.01"),
        ("-0.001", "£0.00"),
        (".5", "£0.50"),
        ("12.300000001", "£12.30"),
        ("--3", None),
        ("GBP 5", None),
        ("1,23", None),
        ("£", None),
        ("", None),
    ],
)
def test_amounts(cell, amount):
    assert pounds(cell) == amount


def test_filters_in_a_message():
    assert one("Dear {{ x | name_case }}", "O'NEILL")["Text"] == "Dear O'Neill"
    assert one("Due {{ x | uk_date }}", dt.date(2026, 11, 24))["Text"] == "Due 24/11/2026"
    assert one("Due {{ x | uk_date }}", pd.Timestamp("2026-11-24 08:30"))["Text"] == "Due 24/11/2026"
    assert one("You owe {{ x | pounds }}", 12.5)["Text"] == "You owe £12.50"
    assert one("{% if x > 5 %}{{ x | pounds }}{% endif %}", "12.5")["Text"] == "£12.50"
    assert one("{{ x | default('0') | pounds }}", "")["Text"] == "£0.00"


@pytest.mark.parametrize(("message", "cell"), [("{{ x | uk_date }}", "soon"), ("{{ x | pounds }}", "free")])
def test_a_cell_that_a_filter_cannot_write_is_not_sent(message, cell):
    row = one(message, cell)
    assert pd.isna(row["Text"])
    assert row["ErrorCode"] == "FIELD_MISSING"
    assert row["ErrorDetail"].startswith('Column "X": the message writes this cell as')
    assert one(message, "")["ErrorCode"] == "FIELD_MISSING"
