# SPDX-License-Identifier: Apache-2.0
"""Who of those a change owes mail may be mailed, each judged alone, each refusal recorded with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.flows.context import Context
from gateway.flows.owed import Owed
from gateway.flows.own_program import MAILED, was_mailed
from gateway.itip.address import normal_address
from gateway.itip.model import ItipMessage, Method
from gateway.store.accounts import Account
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.external_recipients import PERMIT, MailKind, RecipientFacts, decide_recipient
from policies.verdict import Verdict

#: SCHEDULE-STATUS of who is not mailed, where it is not 5.3, "not allowed" (RFC 6638 §3.2.9).
_STATUSES = {"recipient.suppressed": "5.2"}


@dataclass(frozen=True, slots=True)
class Addressed:
    """One message to one recipient with the verdict on mailing it. `local` is the account that has that address."""

    owed: Owed
    verdict: Verdict
    local: Account | None = None

    @property
    def recipient(self) -> str:
        return self.owed.recipient


def judge_recipients(
    unit: Unit,
    context: Context,
    account: Account,
    item: StoredObject | None,
    messages: Iterable[ItipMessage],
    by: str = "",
) -> tuple[tuple[Addressed, ...], tuple[Addressed, ...]]:
    """Return who is mailed what, and who is not with the reason; the refusals are in the journal afterwards.

    `item` is what the messages are about, None where it is not here and they ask for it; `by` is who acts for the
    account, if anybody does.
    """
    settings, now = context.policy(unit).external_recipients, context.clock.now()
    domains = context.domains(unit)
    permitted: list[Addressed] = []
    denied: list[Addressed] = []
    for message in messages:
        for recipient in message.to:
            normal = normal_address(recipient)
            local = unit.accounts.by_address(normal)
            suppression = unit.sent.suppressed(normal, "invitation", now)
            facts = RecipientFacts(
                kind=MailKind.INVITATION,
                address=normal,
                own=local is not None and local.id == account.id,
                local=local is not None or normal.rpartition("@")[2] in domains,
                guest=True,
                suppressed=suppression.reason if suppression else None,
            )
            verdict = decide_recipient(facts, settings)
            first = not any(sent.method == Method.REQUEST for sent in unit.sent.thread(account.id, message.uid, normal))
            owed = Owed(message, recipient, first, by)
            judged = Addressed(owed, MAILED if was_mailed(unit, account.id, owed) else verdict, local)
            if verdict.action == PERMIT:
                permitted.append(judged)
            else:
                denied.append(judged)
                _record_refusal(unit, context, account, item, judged)
    return tuple(permitted), tuple(denied)


def _record_refusal(
    unit: Unit, context: Context, account: Account, item: StoredObject | None, judged: Addressed
) -> None:
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="change",
            outcome=judged.verdict.action,
            rule=judged.verdict.rule,
            reason=judged.verdict.reason,
            account_id=account.id,
            recipient=normal_address(judged.recipient),
            uid=judged.owed.message.uid,
            method=judged.owed.message.method,
        )
    )
    if judged.verdict is not MAILED and item is not None and unit.objects.get(item.id) is not None:
        address, now = normal_address(judged.recipient), context.clock.now()
        status = _STATUSES.get(judged.verdict.rule, "5.3")
        unit.guests.set_schedule_status(item.id, address, status, judged.verdict.reason, at=now)
