"""The form: five steps from a list to results, in a notebook or as a page of its own. It holds no logic.

send_form.py   the steps put together          desk.py        what the steps share
recipients.py  message.py  check.py            runs.py        sending, going on, looking on at another's run
sending.py     results.py  the steps           background.py  work off the kernel's thread
channel.py     columns.py  school.py           page.py        the stand-alone page (Voilà)
letter.py      enclosures.py                   words.py       sentences for officers
manner.py      trial.py    parts of the steps  earlier.py     campaigns that the journal knows
controls.py    style.py    browser/            what is on the screen; what the browser itself must do
"""

from gcbulk.form.send_form import SendForm

__all__ = ["SendForm"]
