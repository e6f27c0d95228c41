"""The journal: durable state. It is written before a call leaves and after it returns, and knows no pandas.

tables.py     what is written              store.py      transactions, campaigns, rows
opening.py    where it is, who may read    beginning.py  is this campaign new, or one we know?
claims.py     runs, claims, settlements    memory.py     what went already, in other campaigns
liveness.py   which runs are alive         days.py       the London day
upkeep.py     settling by hand, purging
"""

from gcbulk.campaign.journal.beginning import KIND, Begun, begin, go_on
from gcbulk.campaign.journal.claims import Claim, ClaimedRow, Run, Settlement
from gcbulk.campaign.journal.days import london_date, told
from gcbulk.campaign.journal.memory import Held, look_up
from gcbulk.campaign.journal.opening import journal_exists, journal_file
from gcbulk.campaign.journal.store import Campaign, Identity, Journal, Record
from gcbulk.campaign.journal.upkeep import KEEP_DAYS, calls_over_in, keep_days, purge, refuse_while_sending, settle

__all__ = [
    "KEEP_DAYS",
    "KIND",
    "Begun",
    "Campaign",
    "Claim",
    "ClaimedRow",
    "Held",
    "Identity",
    "Journal",
    "Record",
    "Run",
    "Settlement",
    "begin",
    "calls_over_in",
    "go_on",
    "journal_exists",
    "journal_file",
    "keep_days",
    "london_date",
    "look_up",
    "purge",
    "refuse_while_sending",
    "settle",
    "told",
]
