"""A local stand-in for the Communications API: real HTTP on 127.0.0.1, to try everything without an account.

It is written from the API's description alone and imports nothing of gcbulk, so that a mistake in the client
cannot hide in it; rules such as the 918 characters are repeated here on purpose. Ordinary numbers are
accepted; the magic numbers of `FAULTS` (07700 900000, and some from 07700 900900 on) each bring about one
answer or accident. In an email address they stand before the `@`.

Where the description is silent, the sandbox assumes: a message that lacks something spoils the whole call;
control characters other than line ends and tabs are "invalid characters"; people named by `Id`, `ExternalId`,
`MessengerId` or `IdaasId` alone are known to the platform; messages are queued, then `latency` is waited for.
"""

from gcbulk.sandbox.customers import SandboxCustomer, example_schools
from gcbulk.sandbox.faults import FAULTS, MAGIC_NUMBERS, Fault, describe_numbers
from gcbulk.sandbox.records import Call, CallbackPlan, Queued, Reported
from gcbulk.sandbox.stand_in import Sandbox

__all__ = [
    "FAULTS",
    "MAGIC_NUMBERS",
    "Call",
    "CallbackPlan",
    "Fault",
    "Queued",
    "Reported",
    "Sandbox",
    "SandboxCustomer",
    "describe_numbers",
    "example_schools",
]
