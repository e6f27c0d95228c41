"""What the wings say to whoever writes code, said to whoever fills in the form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

RESUME: Final = "Send to those not sent"
"""The button that goes on with a campaign."""
URGENT: Final = "It is urgent"
INTERNATIONAL: Final = "Text numbers from outside the UK too"
LATER: Final = "Send later, at"
UNFINISHED: Final = "A part of this time is missing. Give the day and the hour, or clear the field."
PRICE: Final = "Price of a part, in pounds"


@dataclass(frozen=True, slots=True)
class Way:
    """How a list is told, in the words of the form; `channels` are the ways that its rows go."""

    label: str
    channels: tuple[str, ...]
    title: str
    write: str
    good: str  # what a row has that can be told
    mended: str
    nobody: str
    not_to: str
    done: str = "written to"  # to somebody, in the end

    @property
    def good_rows(self) -> str:
        """Several such rows."""
        return f"rows with a good {self.good}"


_FIELDS: Final = "A field stands for what each row has in that column."
WAYS: Final = {
    "sms": Way(
        label="Text",
        done="texted",
        channels=("sms",),
        title="Text parents",
        write=f"Write the text. {_FIELDS}",
        good="number",
        mended="numbers put right",
        nobody="no row has a number that can be texted.",
        not_to="numbers that must not be texted, if you keep such a list",
    ),
    "email": Way(
        label="Email",
        channels=("email",),
        title="Email parents",
        write=f"Write the email. {_FIELDS}",
        good="address",
        mended="addresses put right",
        nobody="no row has an address that can be written to.",
        not_to="addresses that must not be written to, if you keep such a list",
    ),
    "either": Way(
        label="Text, else email",
        channels=("sms", "email"),
        title="Text or email parents",
        write=f"Write both: who has a number that can be texted gets the text, the others the email. {_FIELDS}",
        good="number or address",
        mended="put right",
        nobody="no row has a number that can be texted, or an address that can be written to.",
        not_to="numbers and addresses that must not be written to, if you keep such a list",
    ),
}
"""By channel, as `SendForm` takes it."""

# A sentence of the wings, and what it is in the form. Tried in this order; whole phrases, so that a text of the user's
# that happens to hold such a word stays as it is.
_TABLE: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"send with international=True \(--international\)", f"tick “{INTERNATIONAL}”"),
        (
            r"schedule it with send_at= \(--send-at\), or, if it cannot wait, use urgent=True \(--urgent\)",
            f"give a time at “{LATER}”, or, if it cannot wait, tick “{URGENT}”",
        ),
        (r"(?<![^>])send_at is (?=\d\d:\d\d in the UK)", "The time chosen is "),
        (r"(?<![^>])send_at (?=\d)", "The time "),
        (r"(?<![^>])send_at must be a time such as \S+, not .*", "This is no time."),
        (r"What was begun already goes on with resume\.", f"What was begun already goes on with “{RESUME}”."),
        (r"leave it out to send now", "leave the field empty to send now"),
        (r"Give it with its offset: .*", "Choose a time before or after that hour."),
        (r"(?<![^>])sender must be", "The sender must be"),
        (r"(?<![^>])price_per_part must be pounds for one SMS part", "The price must be pounds for one part"),
        (r"not known: give price_per_part \(--price-per-part\)", f"not known: fill in “{PRICE}”"),
        (r"(?<![^>])test_to \(--test-to\) cannot be texted", "This number cannot be texted"),
        (r"(?<![^>])test_to \(--test-to\) is no email address", "This is no email address"),
        (r"(?<![^>])sent_from_name must be", "The sender's name must be"),
        (r"(?<![^>])sent_from_address must be", "The sender's address must be"),
        (r"(?<![^>])reply_to must be", "The address for answers must be"),
        (r"(?<![^>])sent_from_address (?=may be mistyped)", "The sender's address "),
        (r"(?<![^>])reply_to (?=may be mistyped)", "The address for answers "),
        (r"one file may have ([\d.]+) MB \(max_file_mb\)", r"one file may have \1 MB"),
        (r" \(smart_characters=(?:\"|&quot;)keep(?:\"|&quot;) leaves them\)", ""),
        (
            r"To send it again on purpose, use repeat=True \(--repeat\)",
            "To send it again on purpose, change its words a little",
        ),
        (r"Even repeat=True \(--repeat\) does not send what", "Nothing is sent again that"),
        (
            r"If it is, add --late \(late=True\)\.",
            f"If it is, look it up at “Earlier campaigns”, and use “{RESUME}”.",
        ),
        (r"send under a name of its own \(--campaign, campaign=\)", "give this campaign a name of its own"),
        (r"Held back by --limit\.", "Held back: only the first so many were to be sent."),
        (r"holds the rest back: resume it", f"holds the rest back: use “{RESUME}”"),
        (r"Resume to send it\.", f"“{RESUME}” sends it."),
        (r"Resume (?=later\b|when\b)", f"Use “{RESUME}” "),
        (r", then resume\.", f", then use “{RESUME}”."),
        (r"settle the unknown ones first(?: \(gcbulk settle\))?:", "say first what became of the unknown ones:"),
        (
            r"settle what is unknown, by the platform(?:'|&#x27;)s history \(gcbulk settle .*? or --not-sent\)",
            "look up in the platform's message history what is unknown, and say at “Earlier campaigns” what it shows",
        ),
        (
            r"write the list of those not told anew \(gcbulk results .*? --not-told FILE\), and send that",
            "download those not told from there anew, and send that list",
        ),
        (
            r"look at the platform(?:'|&#x27;)s history, then settle it with gcbulk settle --sent or --not-sent",
            "look it up in the platform's message history, then say here what it shows",
        ),
        (r"(?<=\d )GSM-7(?=[,<])|(?<=characters, )GSM-7(?=, \d)", "plain"),
        (r"(?<=\d )UCS-2(?=[,<])|(?<=characters, )UCS-2(?=, \d)", "with special characters"),
        (
            r"The API tells no balance: see on the platform that there is credit",
            "Your balance cannot be seen from here: look on the platform whether there is credit",
        ),
        (r"cannot be called back: the API has no call for it", "cannot be called back"),
        (r"Name one with sheet= \(--sheet\)", "Show one of them in the workbook, save it, and choose it again"),
        (r", leave out one_per_\w+ \(--one-per-number\)", ", open the form without that"),
        (r"No customer is called (?=['\"&])", "No school is called "),
        (r"The cell that names the customer is blank\.", "The cell that names the school is blank."),
        (
            r"This customer is not known here\. Add it, or mend its name in this row\.",
            "Mend the school's name in this row, or let it authorise you first.",
        ),
        (r"(?<=>)customer not known(?=<)", "school not known"),
        (r"(?<=>)By customer:(?=<)", "By school:"),
        (r" with number_columns?= \(--number-columns?\)", ""),
    )
)


def for_officers(words: str) -> str:
    """A sentence, or HTML with sentences in it, without the names of options that only code and commands have.

    >>> for_officers("If it is right, send with international=True (--international).")
    'If it is right, tick “Text numbers from outside the UK too”.'
    """
    for pattern, ours in _TABLE:
        words = pattern.sub(ours, words)
    return words
