"""Text parents in bulk: a DataFrame in, the same rows out with a MessageId or an error code each.

>>> import gcbulk
>>> parents = gcbulk.read_recipients("sample_data/recipients.csv")
>>> plan = gcbulk.preview(parents, "Dear {{ parent_name }}, school is closed today.")
>>> results = gcbulk.send_sms(parents, "Dear {{ parent_name }}, school is closed today.",
...                           sandbox=True, progress=False)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gcbulk.api.client import CommunicationsClient, CredentialCheck, SendResult, check_credentials
    from gcbulk.api.customers import Customer, Customers, FixedCustomers
    from gcbulk.api.partner import Partner
    from gcbulk.campaign.either import send_message
    from gcbulk.campaign.emailing import preview_email, send_email
    from gcbulk.campaign.history import campaign_results, campaigns, purge, settle
    from gcbulk.campaign.overall import dead_numbers, history
    from gcbulk.campaign.overview import summary
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.report import Report, report
    from gcbulk.campaign.run import preview, resume, send_sms
    from gcbulk.campaign.undelivered import Retry, retry_undelivered
    from gcbulk.campaign.watching import watch
    from gcbulk.codes import DeliveryStatus, ErrorCode, Status
    from gcbulk.errors import (
        CampaignError,
        CommunicationsError,
        CredentialsError,
        GcbulkError,
        GcbulkWarning,
        InputError,
        JournalError,
        JournalLostError,
        LateError,
        OptionError,
        QuietHoursError,
        RecipientsError,
        TemplateError,
    )
    from gcbulk.form.send_form import SendForm
    from gcbulk.recipients.choosing import row_per_number
    from gcbulk.recipients.optout_list import add_opt_outs, list_opt_outs, remove_opt_outs
    from gcbulk.recipients.pieces import read_in_pieces
    from gcbulk.recipients.reading import read_recipients
    from gcbulk.recipients.schema import RecipientsSchema, ResultsSchema, validate
    from gcbulk.sandbox import Sandbox

__version__: Final = "0.1.0"

_HOMES: Final[dict[str, str]] = {
    "CampaignError": "gcbulk.errors",
    "CommunicationsClient": "gcbulk.api.client",
    "CommunicationsError": "gcbulk.errors",
    "CredentialCheck": "gcbulk.api.client",
    "CredentialsError": "gcbulk.errors",
    "Customer": "gcbulk.api.customers",
    "Customers": "gcbulk.api.customers",
    "DeliveryStatus": "gcbulk.codes",
    "ErrorCode": "gcbulk.codes",
    "FixedCustomers": "gcbulk.api.customers",
    "GcbulkError": "gcbulk.errors",
    "GcbulkWarning": "gcbulk.errors",
    "InputError": "gcbulk.errors",
    "JournalError": "gcbulk.errors",
    "JournalLostError": "gcbulk.errors",
    "LateError": "gcbulk.errors",
    "OptionError": "gcbulk.errors",
    "Partner": "gcbulk.api.partner",
    "Preview": "gcbulk.campaign.preview",
    "QuietHoursError": "gcbulk.errors",
    "RecipientsError": "gcbulk.errors",
    "RecipientsSchema": "gcbulk.recipients.schema",
    "Report": "gcbulk.campaign.report",
    "ResultsSchema": "gcbulk.recipients.schema",
    "Retry": "gcbulk.campaign.undelivered",
    "Sandbox": "gcbulk.sandbox",
    "SendForm": "gcbulk.form.send_form",
    "SendResult": "gcbulk.api.client",
    "Status": "gcbulk.codes",
    "TemplateError": "gcbulk.errors",
    "add_opt_outs": "gcbulk.recipients.optout_list",
    "campaign_results": "gcbulk.campaign.history",
    "campaigns": "gcbulk.campaign.history",
    "check_credentials": "gcbulk.api.client",
    "dead_numbers": "gcbulk.campaign.overall",
    "history": "gcbulk.campaign.overall",
    "list_opt_outs": "gcbulk.recipients.optout_list",
    "preview": "gcbulk.campaign.run",
    "preview_email": "gcbulk.campaign.emailing",
    "purge": "gcbulk.campaign.history",
    "read_in_pieces": "gcbulk.recipients.pieces",
    "read_recipients": "gcbulk.recipients.reading",
    "remove_opt_outs": "gcbulk.recipients.optout_list",
    "report": "gcbulk.campaign.report",
    "resume": "gcbulk.campaign.run",
    "retry_undelivered": "gcbulk.campaign.undelivered",
    "row_per_number": "gcbulk.recipients.choosing",
    "send_email": "gcbulk.campaign.emailing",
    "send_message": "gcbulk.campaign.either",
    "send_sms": "gcbulk.campaign.run",
    "settle": "gcbulk.campaign.history",
    "summary": "gcbulk.campaign.overview",
    "validate": "gcbulk.recipients.schema",
    "watch": "gcbulk.campaign.watching",
}
"""Where each public name lives. They are imported when first used, so that `gcbulk --help` is quick."""

__all__ = [
    "CampaignError",
    "CommunicationsClient",
    "CommunicationsError",
    "CredentialCheck",
    "CredentialsError",
    "Customer",
    "Customers",
    "DeliveryStatus",
    "ErrorCode",
    "FixedCustomers",
    "GcbulkError",
    "GcbulkWarning",
    "InputError",
    "JournalError",
    "JournalLostError",
    "LateError",
    "OptionError",
    "Partner",
    "Preview",
    "QuietHoursError",
    "RecipientsError",
    "RecipientsSchema",
    "Report",
    "ResultsSchema",
    "Retry",
    "Sandbox",
    "SendForm",
    "SendResult",
    "Status",
    "TemplateError",
    "__version__",
    "add_opt_outs",
    "campaign_results",
    "campaigns",
    "check_credentials",
    "dead_numbers",
    "history",
    "list_opt_outs",
    "preview",
    "preview_email",
    "purge",
    "read_in_pieces",
    "read_recipients",
    "remove_opt_outs",
    "report",
    "resume",
    "retry_undelivered",
    "row_per_number",
    "send_email",
    "send_message",
    "send_sms",
    "settle",
    "summary",
    "validate",
    "watch",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gcbulk' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
