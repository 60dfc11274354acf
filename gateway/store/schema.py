# SPDX-License-Identifier: Apache-2.0
"""Every table, in one place (those of people stand in `people.py`).

The order tells the story: people, calendars, who answered, what is owed, what was seen, what was decided.
"""

import sqlalchemy as sa
from sqlalchemy import Boolean, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from gateway.store.columns import Instant, column, key, metadata, ref
from gateway.store.people import (
    access_tokens as access_tokens,
)
from gateway.store.people import (
    accounts as accounts,
)
from gateway.store.people import (
    aliases as aliases,
)
from gateway.store.people import (
    correspondents as correspondents,
)
from gateway.store.people import (
    dkim_keys as dkim_keys,
)
from gateway.store.people import (
    domains as domains,
)
from gateway.store.people import (
    identities as identities,
)

# --- calendars --------------------------------------------------------------------------------------------

calendars = Table(
    "calendars",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("name", String(255)),  # the last path segment at /dav/; `default` is the default calendar
    column("title", Text),
    column("color", String(64), nullable=True),
    column("time_zone", String(64), nullable=True),
    column("is_default", Boolean),
    column("is_subscribed", Boolean),
    column("is_visible", Boolean),
    column("sort_order", Integer),
    column("include_in_availability", String(16)),
    column("properties", sa.JSON),  # description, defaultAlertsWithTime, defaultAlertsWithoutTime, DAV properties
    column("created_at", Instant),
    UniqueConstraint("account_id", "name"),
)

calendar_shares = Table(
    "calendar_shares",
    metadata,
    ref("calendar_id", "calendars.id"),
    ref("account_id", "accounts.id"),
    column("rights", sa.JSON),  # JMAP CalendarRights
    column("properties", sa.JSON),  # the sharee's own name, colour, subscription, default alerts
    sa.PrimaryKeyConstraint("calendar_id", "account_id"),
)

objects = Table(  # one scheduling object = one UID = master + overrides
    "objects",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("uid", String(1024)),
    column("instance", String(64)),  # "" or the instance key of a stand-alone occurrence (no master known)
    column("kind", String(16)),  # VEVENT | VTODO | VJOURNAL | VFREEBUSY
    column("ical", Text),  # the canonical form, without METHOD
    column("sequence", sa.BigInteger),
    column("dtstamp", Instant, nullable=True),
    column("summary", Text),
    column("organizer", String(320), nullable=True),  # normal form
    column("is_origin", Boolean),  # the account is the organizer's (or there is none)
    column("is_draft", Boolean),
    column("hide_attendees", Boolean),
    column("is_recurring", Boolean),
    column("status", String(16)),
    column("starts_at", Instant, nullable=True),
    column("ends_at", Instant, nullable=True),  # end of the last occurrence; NULL = never or unknown
    column("schedule_tag", Integer),
    column("etag", String(64)),
    column("properties", sa.JSON),  # shared JMAP-only properties that iCalendar cannot say
    column("alone", sa.JSON),  # keys of the occurrences that are here without their series, each a CalendarEvent
    column("privacy", String(16), nullable=True),  # public | private | secret; NULL = the text must be read
    column("searched", Text, nullable=True),  # what text filters look at: see gateway.jscalendar.searched
    column("source", String(16)),  # jmap | caldav | mail | import | submission
    column("created_at", Instant),
    column("updated_at", Instant),
    UniqueConstraint("account_id", "uid", "instance"),
    Index("ix_objects_window", "account_id", "starts_at", "ends_at"),
    Index("ix_objects_uid", "uid"),
)

object_calendars = Table(
    "object_calendars",
    metadata,
    ref("object_id", "objects.id"),
    ref("calendar_id", "calendars.id"),
    column("href", String(255)),  # resource name in the calendar, such as `<uid>.ics`
    sa.PrimaryKeyConstraint("object_id", "calendar_id"),
    UniqueConstraint("calendar_id", "href"),
)

overlays = Table(  # what one user keeps for themself about an object
    "overlays",
    metadata,
    ref("object_id", "objects.id"),
    ref("account_id", "accounts.id"),
    column("data", sa.JSON),  # alerts, useDefaultAlerts, color, keywords, freeBusyStatus, and per instance
    column("updated_at", Instant),
    sa.PrimaryKeyConstraint("object_id", "account_id"),
)

attendees = Table(  # what is known of each guest beside the calendar text (RFC 5546 §2.1.5, RFC 6638 §3.2.9)
    "attendees",
    metadata,
    ref("object_id", "objects.id"),
    column("address", String(320)),
    column("recurrence_id", String(64)),  # "" = the series
    column("partstat", String(32)),
    column("sequence", sa.BigInteger, nullable=True),  # of the newest REPLY
    column("dtstamp", Instant, nullable=True),
    column("comment", Text, nullable=True),
    column("answered_at", Instant, nullable=True),
    column("via", String(16), nullable=True),  # mail | link | jmap | caldav
    column("schedule_status", String(64), nullable=True),
    column("status_text", Text, nullable=True),
    column("updated_at", Instant),
    sa.PrimaryKeyConstraint("object_id", "address", "recurrence_id"),
)

proposals = Table(  # COUNTERs: kept with their values, never applied by themselves
    "proposals",
    metadata,
    key(),
    ref("object_id", "objects.id"),
    ref("account_id", "accounts.id"),
    column("address", String(320)),
    column("recurrence_id", String(64)),
    column("changes", sa.JSON),
    column("comment", Text, nullable=True),
    column("ical", Text),
    column("state", String(16)),  # open | accepted | declined | obsolete
    column("created_at", Instant),
)

notifications = Table(  # JMAP CalendarEventNotification
    "notifications",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("type", String(16)),
    column("object_id", String(64)),
    column("changed_by", sa.JSON),
    column("comment", Text, nullable=True),
    column("is_draft", Boolean),
    column("event", sa.JSON, nullable=True),
    column("event_patch", sa.JSON, nullable=True),
    column("ical_before", Text, nullable=True),  # in place of both: what they are made of when somebody looks
    column("ical_after", Text, nullable=True),
    column("created_at", Instant, index=True),
)

changes = Table(  # what JMAP /changes and WebDAV sync answer from: one row per thing that ever was
    "changes",
    metadata,
    column("account_id", String(64)),
    column("type", String(40)),  # Calendar, CalendarEvent, ...
    column("id", String(64)),
    column("parent", String(64), nullable=True),  # the calendar, for sync-collection
    column("name", String(255), nullable=True),  # its resource name there
    column("created", sa.BigInteger),
    column("updated", sa.BigInteger),
    column("destroyed", sa.BigInteger, nullable=True),
    sa.PrimaryKeyConstraint("account_id", "type", "id"),
    Index("ix_changes_updated", "account_id", "type", "updated"),
)

blobs = Table(
    "blobs",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("type", String(255)),
    column("data", LargeBinary),
    column("created_at", Instant),
)

# --- what is owed: change -> task -> message -> recipient ---------------------------------------------------

tasks = Table(
    "tasks",
    metadata,
    key(),
    column("serial", sa.BigInteger, index=True),  # order of enqueueing
    column("kind", String(32)),  # CalendarItipMessage | CalendarAlarmEmail | Notice
    ref("account_id", "accounts.id"),
    column("object_id", String(64), nullable=True),
    column("uid", String(1024)),
    column("lane", String(64), index=True),  # digest of (account, uid): order is kept inside a lane
    column("payload", sa.JSON),
    column("state", String(16)),  # pending | retry | failed | held
    column("due_at", Instant),
    column("attempts", Integer),
    column("failure", Text, nullable=True),
    column("failed_at", Instant, nullable=True),
    column("leased_until", Instant, nullable=True),
    column("leased_by", String(64), nullable=True),
    column("created_at", Instant),
    Index("ix_tasks_due", "state", "due_at"),
)

messages = Table(
    "messages",
    metadata,
    key(),
    column("serial", sa.BigInteger, index=True),
    ref("account_id", "accounts.id"),
    column("task_id", String(64)),
    column("object_id", String(64), nullable=True),
    column("uid", String(1024)),
    column("recurrence_id", String(64)),
    column("method", String(32)),  # iTIP method, or ALARM, NOTICE
    column("sequence", sa.BigInteger),
    column("mail_from", String(400)),
    column("message_id", String(255), index=True),
    column("data", LargeBinary),
    column("state", String(16)),  # queued | done | failed | held | dropped
    column("created_at", Instant, index=True),
    column("finished_at", Instant, nullable=True),
)

recipients = Table(
    "recipients",
    metadata,
    key(),
    column("serial", sa.BigInteger),
    ref("message_id", "messages.id"),
    column("address", String(320), index=True),
    column("attendee", String(320), nullable=True),  # as the object spells it; NULL where nobody's status depends on it
    column("lane", String(64)),  # digest of (account, uid, address): order is kept inside a lane
    column("state", String(16)),  # pending | retry | sent | delivered | failed | held | dropped
    column("due_at", Instant),
    column("attempts", Integer),
    column("reply", Text, nullable=True),  # the next hop's last words
    column("schedule_status", String(64)),
    column("bounce_token", String(64), unique=True),
    column("leased_until", Instant, nullable=True),
    column("leased_by", String(64), nullable=True),
    column("warned_at", Instant, nullable=True),
    column("finished_at", Instant, nullable=True),
    column("may_have_left", Boolean),  # the next hop took it, or may have without our hearing of it
    Index("ix_recipients_due", "state", "due_at"),
    Index("ix_recipients_lane", "lane", "serial"),
)

sent = Table(  # what went to whom, by us or by the person's own program: nothing is sent twice
    "sent",
    metadata,
    ref("account_id", "accounts.id"),
    column("fingerprint", String(64)),  # digest of uid, recurrence id, method, sequence, recipient, perhaps dtstamp
    column("uid", String(1024)),
    column("recurrence_id", String(64)),
    column("recipient", String(320)),
    column("method", String(32)),
    column("sequence", sa.BigInteger),
    column("dtstamp", Instant),
    column("by", String(16)),  # gateway | client
    column("message_id", String(255), nullable=True),
    column("sent_at", Instant),
    sa.PrimaryKeyConstraint("account_id", "fingerprint"),
    Index("ix_sent_thread", "account_id", "uid", "recipient"),
    Index("ix_sent_message_id", "message_id"),
)

suppressions = Table(
    "suppressions",
    metadata,
    column("address", String(320)),
    column("kind", String(16)),  # all | alarm
    column("reason", Text),
    column("since", Instant),
    column("until", Instant, nullable=True),
    sa.PrimaryKeyConstraint("address", "kind"),
)

outside_recipients = Table(  # distinct outside recipients per account and day
    "outside_recipients",
    metadata,
    ref("account_id", "accounts.id"),
    column("day", String(10)),
    column("address", String(320)),
    sa.PrimaryKeyConstraint("account_id", "day", "address"),
)

links = Table(  # every capability that we mail: RSVP, organizer's page, unsubscribe, opt-in
    "links",
    metadata,
    column("token_hash", String(64), primary_key=True),
    column("purpose", String(16)),  # rsvp | organizer | unsubscribe | confirm
    ref("account_id", "accounts.id"),
    column("object_id", String(64), nullable=True, index=True),
    column("uid", String(1024)),
    column("recurrence_id", String(64)),  # "" = the whole series
    column("attendee", String(320)),
    column("sequence", sa.BigInteger),
    column("issued_at", Instant),
    column("expires_at", Instant),
    column("revoked_at", Instant, nullable=True),
    column("used_at", Instant, nullable=True),
    column("facts", sa.JSON),
)

alarms = Table(  # one row per alarm of a user: its next firing
    "alarms",
    metadata,
    key(),  # made of object, account and alarm_key: the same alarm keeps its row through edits
    ref("account_id", "accounts.id"),
    ref("object_id", "objects.id"),
    column("alarm_key", String(64)),
    column("recurrence_id", String(64)),  # the occurrence, "" = the whole series (an absolute trigger)
    column("fire_at", Instant),  # when to look: the trigger, or the end of a window it waits for
    column("trigger_at", Instant, nullable=True),  # NULL = nothing within the horizon, only to be looked at again
    column("repetition", Integer),
    column("after_at", Instant),  # every firing up to here is settled
    column("rule", String(64)),  # why it waits beyond its trigger, or ""
    UniqueConstraint("object_id", "account_id", "alarm_key"),
    Index("ix_alarms_due", "fire_at", "account_id"),  # finding who has something due never touches the rows
)

alert_looks = Table(  # for those who listen: nothing of a person's alerts in an object is due before this instant
    "alert_looks",
    metadata,
    ref("object_id", "objects.id"),
    ref("account_id", "accounts.id"),
    column("look_at", Instant),
    sa.PrimaryKeyConstraint("object_id", "account_id"),
    Index("ix_alert_looks_due", "account_id", "look_at"),
)

alarm_pace = Table(  # how often an account was mailed; its row is locked while its alarms fire
    "alarm_pace",
    metadata,
    sa.Column("account_id", String(64), sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    column("last_mail_at", Instant, nullable=True),
)

alarm_consents = Table(  # what somebody outside answered about alarm mails of one account
    "alarm_consents",
    metadata,
    ref("account_id", "accounts.id"),
    column("address", String(320)),
    column("state", String(16)),  # asked | confirmed | withdrawn
    column("asked_at", Instant, nullable=True),
    column("answered_at", Instant, nullable=True),
    sa.PrimaryKeyConstraint("account_id", "address"),
)

fired = Table(  # (alarm, occurrence, repetition, recipient): at most once, whatever dies when
    "fired",
    metadata,
    column("identity", String(64), primary_key=True),
    ref("account_id", "accounts.id"),
    column("object_id", String(64)),
    column("recipient", String(320)),
    column("fire_at", Instant),
    column("outcome", String(16)),
    column("rule", String(64)),
    column("at", Instant),
    Index("ix_fired_account", "account_id", "at"),
)

# --- what was seen and decided ----------------------------------------------------------------------------

received = Table(  # mails seen with a calendar: the same mail again gets the same answer and no second effect
    "received",
    metadata,
    column("fingerprint", String(64), primary_key=True),
    column("mail_id", String(64)),
    column("disposition", sa.JSON),
    column("at", Instant, index=True),
)

held = Table(  # changes that wait for a person
    "held",
    metadata,
    key(),
    ref("account_id", "accounts.id"),
    column("mail_id", String(64)),
    column("recipient", String(320)),
    column("method", String(32)),
    column("uid", String(1024)),
    column("from_address", String(320)),
    column("ical", Text),
    column("evidence", sa.JSON),
    column("rule", String(64)),
    column("reason", Text),
    column("state", String(16)),  # held | released | rejected; early: a CANCEL whose REQUEST has not come yet
    column("created_at", Instant),
    column("decided_at", Instant, nullable=True),
)

journal = Table(  # append-only: every verdict and every change, with the sentence why
    "journal",
    metadata,
    sa.Column("serial", sa.BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    column("at", Instant, index=True),
    column("stage", String(16)),  # incoming | change | link | alarm | delivery | bounce | settings
    column("mail_id", String(64), nullable=True, index=True),
    column("message_id", String(255), nullable=True, index=True),
    column("queue_id", String(64), nullable=True, index=True),
    column("account_id", String(64), nullable=True, index=True),
    column("recipient", String(320), nullable=True),
    column("uid", String(1024), nullable=True),
    column("recurrence_id", String(64), nullable=True),
    column("method", String(32), nullable=True),
    column("outcome", String(16)),
    column("rule", String(64)),
    column("reason", Text),
    column("facts", sa.JSON),
)

runtime_settings = Table(  # what an administrator changed at run time; wins over the file
    "runtime_settings",
    metadata,
    column("name", String(128), primary_key=True),  # dotted, as in the file: policy.alarms.enable
    column("value", sa.JSON),
    column("changed_by", String(320)),
    column("changed_at", Instant),
)

counters = Table(  # serial numbers that must be gap-tolerant and ordered: outbox serials
    "counters",
    metadata,
    column("name", String(32), primary_key=True),
    column("value", sa.BigInteger),
)
