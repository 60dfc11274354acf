# SPDX-License-Identifier: Apache-2.0
"""Every rule id that the engine answers with, and what it means; `docs/` is generated from this table.

An id is stable: tests, logs and policies name it. The sentence that a person reads beside it is made where it is used.
"""

#: What keeps a calendar from being one scheduling object.
OBJECT: dict[str, str] = {
    "object.unreadable": "The calendar text cannot be read",
    "object.no-component": "The calendar holds no event, task or journal entry",
    "object.no-uid": "The event has no UID",
    "object.no-start": "The event does not say when it starts, or not in a form that can be read",
    "object.several-uids": "The calendar holds events with different UIDs",
    "object.mixed-kinds": "The calendar mixes events with other components",
    "object.several-masters": "The calendar holds the same event twice",
    "object.several-organizers": "The occurrences of the event name different organizers (RFC 6638 §3.2.4.2)",
    "object.too-many-instances": "The event has more changed occurrences than are accepted",
    "object.too-many-attendees": "The event names more attendees than are accepted",
}

#: Why a change in a calendar is impossible, or owes nothing, to anybody or to one recipient.
OUTGOING: dict[str, str] = {
    "change.uid": "The UID of a stored event cannot change",
    "change.kind": "An event cannot become a task, nor the reverse",
    "change.organizer": "Somebody else's event cannot be taken over by changing its organizer",
    "change.nothing-stored": "There was no event, and there is none",
    "change.not-scheduled": "Journal entries and free-busy times are not scheduled by mail",
    "change.no-attendees": "Nobody is invited",
    "change.only-self": "Nobody but the user is invited",
    "change.no-organizer": "There are attendees but no organizer, so nobody can invite them",
    "change.not-involved": "The user is neither organizer nor attendee",
    "change.self": "Nobody writes to themself, whatever the spelling of the address",
    "change.past": "The event is over",
    "change.past-instance": "The occurrence is over",
    "change.schedule-agent": "The user's program, or nobody, does the scheduling (SCHEDULE-AGENT, RFC 6638 §7.1)",
    "change.unreachable": "The calendar address is not one that mail can be sent to",
    "change.not-significant": "Nothing that this recipient is to be told of has changed",
    "change.cancelled": "The event is cancelled, and who was to know has been told",
    "change.local-only": "Only the user's own copy changed; that is nobody else's business",
    "change.not-answered": "The user had not answered the invitation",
    "change.declined": "The organizer knows already that the user does not take part",
}

#: All of them.
RULES: dict[str, str] = {**OBJECT, **OUTGOING}
