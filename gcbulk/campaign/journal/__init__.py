"""The journal: durable state. It is written before a call leaves and after it returns, and knows no pandas.

tables.py     what is written              store.py      transactions, campaigns, rows
opening.py    where it is, who may read    beginning.py  is this campaign new, or one we know?
claims.py     runs, claims, settlements    memory.py     what went already, in other campaigns
liveness.py   which runs are alive         days.py       the London day
upkeep.py     settling by hand, purging      stopping.py    a stop asked for by another process
"""

from gcbulk.campaign.journal.beginning import KIND, Begun, begin, go_on
from gcbulk.campaign.journal.claims import Claim, ClaimedRow, Run, Settlement
from gcbulk.campaign.journal.days import london_date, told
from gcbulk.campaign.journal.liveness import campaigns_at_work
from gcbulk.campaign.journal.memory import Held, look_up
from gcbulk.campaign.journal.opening import journal_exists, journal_file
from gcbulk.campaign.journal.stopping import ask_to_stop
from gcbulk.campaign.journal.store import Campaign, Identity, Journal, Record
from gcbulk.campaign.journal.tables import IN_FLIGHT
from gcbulk.campaign.journal.upkeep import KEEP_DAYS, calls_over_in, keep_days, purge, refuse_while_sending, settle

__all__ = [
    "IN_FLIGHT",
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
    "ask_to_stop",
    "begin",
    "calls_over_in",
    "campaigns_at_work",
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
