# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a form of an answer page: the field, and how to mend it (WCAG 3.3.1, 3.3.3)."""

from datetime import UTC, datetime, timedelta

from gateway.flows.rsvp import may_take_over
from gateway.http.rsvp.answer_form import Scene, form_times, present_times
from gateway.itip.address import is_mailable

#: A day, or a time without a zone, is over everywhere after so long.
_ANYWHERE = timedelta(days=2)


def answer_fault(scene: Scene, action: str, form: dict[str, str]) -> tuple[str, str]:
    """Say why an answer, or a passing on, could not be taken."""
    words, invitation = scene.words, scene.invitation
    address = form.get("delegate", "").strip()
    if is_too_long(scene, form):
        return "comment", words.say("This text is too long.")
    if action != "delegate":
        return "status", words.say("Please choose one of the answers.")
    if is_mailable(address) and not may_take_over(invitation, address):
        return "delegate", words.say("This person is invited already. Please give another address.")
    return "delegate", words.say("Please give the mail address of the person.")


def proposal_fault(
    scene: Scene, form: dict[str, str], start: datetime | None, end: datetime | None
) -> tuple[str, str] | None:
    """Say why a proposal cannot be meant; None where it can."""
    words, span = scene.words, scene.facts.span if scene.facts else None
    whole_days, zone = bool(span and span.all_day), span.start.tzinfo if span else None
    if is_too_long(scene, form):
        return "comment", words.say("This text is too long.")
    if start is None or end is None:
        return "start" if start is None else "end", words.say("Please give the beginning and the end.")
    if end < start or (end == start and not whole_days):
        return "end", words.say("The end must be after the beginning.")
    if (start, end) in _present(scene, form.get("occurrence", "")):
        return "start", words.say("Please choose a time that is different from the present one.")
    latest = end if zone is not None else end + _ANYWHERE
    if latest.replace(tzinfo=zone or UTC) <= scene.now:
        return "start", words.say("This time is over already. Please choose a later one.")
    return None


def is_too_long(scene: Scene, form: dict[str, str]) -> bool:
    """Tell whether a comment is longer than what is kept, or stands where none may."""
    settings, comment = scene.invitation.policy.rsvp, form.get("comment", "").strip()
    return len(comment) > (settings.comment_max_length if settings.allow_comment else 0)


def read_wall(text: str) -> datetime | None:
    """Read what a date or time field sends; None where it is none, or beside all calendars."""
    try:
        at = datetime.fromisoformat(text.strip()[:16])
    except ValueError:
        return None
    return at if at.tzinfo is None and 1970 <= at.year <= 2200 else None


def _present(scene: Scene, recurrence_id: str) -> set[tuple[datetime | None, ...]]:
    """Return the times that are no proposal: the one in the form, and that of the chosen occurrence."""
    chosen = [form_times(choice.span) for choice in scene.choices if choice.recurrence_id == recurrence_id]
    return {tuple(at and at.replace(tzinfo=None) for at in times) for times in (present_times(scene), *chosen)}
