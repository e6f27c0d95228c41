"""The form: five steps from a list to results, in a notebook or as a page of its own. It holds no logic.

send_form.py   the steps put together          desk.py        what the steps share
recipients.py  message.py  check.py            background.py  work off the kernel's thread
sending.py     results.py  the steps           page.py        the stand-alone page (Voilà)
manner.py      trial.py    parts of the steps  words.py       sentences for officers
school.py                  a partner's choice
controls.py    style.py    browser/            what is on the screen; what the browser itself must do
"""

from gcbulk.form.send_form import SendForm

__all__ = ["SendForm"]
