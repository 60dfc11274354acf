# SPDX-License-Identifier: Apache-2.0
"""Rule ids that the flows themselves give, where no policy and no engine decided, and what each means."""

FLOW_RULES: dict[str, str] = {
    "bounce.nothing-said": "The delivery report says nothing of the recipient that it came for.",
    "bounce.unknown": "The mail that a delivery report is about is forgotten.",
    "change.draft": "The event is a draft: nobody is told before it is published.",
    "change.not-asked": "Scheduling messages were not asked for (JMAP sendSchedulingMessages).",
    "change.nothing": "Nobody has to be told of the change.",
    "change.personal": "Only what a person keeps for themself changed; that is nobody else's business.",
    "incoming.nobody-here": "No recipient of the mail has a calendar here.",
    "incoming.not-opened": "The mail holds what may be a calendar and is not opened, such as Outlook's winmail.dat.",
    "incoming.part": "Another part of the same mail is the message; this one is passed by.",
    "incoming.unreadable": "The calendar part cannot be read, or is larger than is read.",
    "outbox.annihilated": "An invitation and its cancellation met before either left; neither is sent.",
    "outgoing.kept": "What a person's own program sent is kept as the event that it is.",
    "outgoing.known": "What a person's own program sent says what is stored already.",
    "outgoing.linked": "A guest gets a copy with answer links of the invitation that a person's own program sent.",
    "outgoing.not-kept": "What a person's own program sent cannot be stored; the mail goes on.",
    "outgoing.not-own": "What a person's own program sent speaks for somebody else; it is not kept.",
    "outgoing.repeated": "A guest has the same from us already, so the program's mail is not passed on to that guest.",
    "outgoing.unreadable": "What a person's own program sent cannot be read as a calendar; the mail goes on.",
    "proposal.decided": "The organizer decided on a proposal.",
    "recipient.sent-by-client": "The person's own program has sent this message; we do not send it again.",
    "settings.changed": "An administrator changed a setting at run time.",
}
