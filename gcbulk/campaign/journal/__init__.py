"""The journal: durable state. It is written before a call leaves and after it returns, and knows no pandas.

tables.py     what is written              store.py      transactions, campaigns, rows
addresses.py  where it is                  opening.py    who may read it, is it to be trusted
beginning.py  is this campaign new, or one we know?
runs.py       a process at work            claims.py     claims, settlements
memory.py     what went already, in other campaigns
in_the_air.py calls not settled yet        paces.py      the pace that all runs share
liveness.py   which runs are alive         days.py       the London day
upkeep.py     settling by hand, purging     events.py     delivery news, and what it proves
tokens.py     who may report on a campaign  looking_back.py  what is still held of texts and numbers
stopping.py   a stop asked for by another process   migrations.py  journals of an older gcbulk
drafting.py   rows written before it is known whose campaign they are
reasons.py    why rows are invalid         transactions.py  one transaction; servers that go away
"""

from gcbulk.campaign.journal.addresses import journal_exists, journal_file
from gcbulk.campaign.journal.beginning import KIND, TEST, Begun, begin, go_on, only_those_not_told
from gcbulk.campaign.journal.claims import Claim, ClaimedRow, Ending, Settlement, Wanted
from gcbulk.campaign.journal.days import london_date, told
from gcbulk.campaign.journal.drafting import discard, draft, opted_out_addresses, planned_rows, renumber
from gcbulk.campaign.journal.events import LOUD, Event, Fate, News, Taken, count_unmatched, match_again, news_of, take
from gcbulk.campaign.journal.liveness import campaigns_at_work
from gcbulk.campaign.journal.looking_back import (
    PlannedText,
    TextUsed,
    campaign_called,
    can_go_on,
    gone_again,
    rows_of_number,
    texts_of,
    texts_used,
)
from gcbulk.campaign.journal.memory import Doubt, Held, look_up
from gcbulk.campaign.journal.paces import put_off, take_moments
from gcbulk.campaign.journal.reasons import Reason, reasons_of, renew_reasons
from gcbulk.campaign.journal.runs import Run, RunOverError, attach
from gcbulk.campaign.journal.stopping import ask_to_stop
from gcbulk.campaign.journal.store import Campaign, Identity, Journal, Planned, PlannedRow, Record
from gcbulk.campaign.journal.tables import IN_FLIGHT
from gcbulk.campaign.journal.tokens import (
    callback_token,
    campaign_of,
    journal_token,
    known_journal_token,
    note_receiver,
    receiver_noted,
)
from gcbulk.campaign.journal.upkeep import KEEP_DAYS, calls_over_in, keep_days, purge, refuse_while_sending, settle

__all__ = [
    "IN_FLIGHT",
    "KEEP_DAYS",
    "KIND",
    "LOUD",
    "TEST",
    "Begun",
    "Campaign",
    "Claim",
    "ClaimedRow",
    "Doubt",
    "Ending",
    "Event",
    "Fate",
    "Held",
    "Identity",
    "Journal",
    "News",
    "Planned",
    "PlannedRow",
    "PlannedText",
    "Reason",
    "Record",
    "Run",
    "RunOverError",
    "Settlement",
    "Taken",
    "TextUsed",
    "Wanted",
    "ask_to_stop",
    "attach",
    "begin",
    "callback_token",
    "calls_over_in",
    "campaign_called",
    "campaign_of",
    "campaigns_at_work",
    "can_go_on",
    "count_unmatched",
    "discard",
    "draft",
    "go_on",
    "gone_again",
    "journal_exists",
    "journal_file",
    "journal_token",
    "keep_days",
    "known_journal_token",
    "london_date",
    "look_up",
    "match_again",
    "news_of",
    "note_receiver",
    "only_those_not_told",
    "opted_out_addresses",
    "planned_rows",
    "purge",
    "put_off",
    "reasons_of",
    "receiver_noted",
    "refuse_while_sending",
    "renew_reasons",
    "renumber",
    "rows_of_number",
    "settle",
    "take",
    "take_moments",
    "texts_of",
    "texts_used",
    "told",
]
