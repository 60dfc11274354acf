# SPDX-License-Identifier: Apache-2.0
"""Stories about calendars as scripts (`tests/scenarios/*.itip`): read, and told to a world that acts them out.

A line at the margin is a step, `verb words`; the indented lines below it are its block. `#` begins a comment.

    account dana dana@example.org [alias ...]    a calendar and its addresses; the name stands for them below
    put dana [over] [INSTANCE]    store a new object (block: content lines); `over` changes lines of the stored one
    delete dana                   delete the object
    reply lee ACCEPTED [INSTANCE] the account answers in its own calendar
    rsvp lee ACCEPTED [INSTANCE]  the same by the link in the organizer's mail
    send [to lee]                 deliver the messages that wait, in their order; `send last` delivers the newest first
    mail ADDRESS -> lee           an iTIP object arrives from ADDRESS (block: METHOD and content lines)
    tick 1h                       time goes by (d, h, m, s)
    expect REQUEST to lee [sequence N] [at INSTANCE]    a message that the last step owes; block: its lines
    expect nothing | error | applied | held | ignored | refused [RULE] [gateway OUTCOME RULE]
                                  after `gateway`: what policy says before the engine of a whole gateway is asked
    expect silence                no further message is owed by the last step
    get dana [INSTANCE]           block: lines the stored object has, `not LINE` for those it has not, or `gone`
    log dana                      block: the outcomes in this account so far, `outcome rule [gateway ...]` each
    reset                         forget everything

In blocks `ORGANIZER dana` and `ATTENDEE lee [PARTSTAT]` are short for the lines of these people. A step without
BEGIN lines is about one VEVENT; UID, DTSTAMP and PRODID are added where they are missing. INSTANCE is a
RECURRENCE-ID as text. The same scripts run on the pure core (`pure_world`) and on whole gateways (`stack_world`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UID = "story@example.org"
_TICK = re.compile(r"(\d+)([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_OUTCOMES = ("applied", "held", "ignored", "refused")


class ScenarioError(AssertionError):
    """A step did not go as the script says; the message names file and line."""


@dataclass(frozen=True)
class Step:
    """One step: where it stands, its words, its block without the indent."""

    line: int
    verb: str
    words: tuple[str, ...]
    block: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """A person of the story."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Letter:
    """A message under way: what the sending calendar owed."""

    method: str
    from_address: str
    to: str
    sequence: int
    recurrence_ids: tuple[str, ...]
    calendar: str


@dataclass(frozen=True)
class Result:
    """What a step did in an account: an outcome with its rule, and the messages owed now."""

    outcome: str = ""
    rule: str = ""
    reason: str = ""
    letters: tuple[Letter, ...] = ()


class World(Protocol):
    """What a story needs: calendars that act."""

    has_policies: bool

    def account(self, account: Account) -> None: ...

    def put(self, account: Account, calendar: str, now: datetime) -> Result: ...

    def delete(self, account: Account, uid: str, now: datetime) -> Result: ...

    def mail(self, bearer: str, account: Account, calendar: str, now: datetime) -> Result: ...

    def rsvp(self, organizer: Account, guest: str, calendar: str, now: datetime) -> Result: ...

    def stored(self, account: Account, uid: str) -> str | None: ...


def parse_script(text: str) -> list[Step]:
    """Read a script; complaints name the line."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            if not steps:
                raise ScenarioError(f"line {number}: a block before any step")
            steps[-1] = Step(steps[-1].line, steps[-1].verb, steps[-1].words, (*steps[-1].block, line.strip()))
        else:
            verb, *words = line.split()
            steps.append(Step(number, verb, tuple(words)))
    return steps


@dataclass
class Story:
    """A script being told. `respell` is an axis: it rewrites every calendar and must not change the story."""

    world: World
    respell: Callable[[str], str] = lambda text: text
    respell_address: Callable[[str], str] = lambda text: text
    now: datetime = START
    people: dict[str, Account] = field(default_factory=dict)
    waiting: list[Letter] = field(default_factory=list)
    owed: list[Letter] = field(default_factory=list)
    last: Result = field(default_factory=Result)
    journal: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, path: Path) -> None:
        """Act out every step of a file."""
        for step in parse_script(path.read_text(encoding="utf-8")):
            act = getattr(self, "_" + step.verb, None)
            try:
                if act is None:
                    raise ScenarioError(f"no such verb: {step.verb}")
                act(step)
            except (AssertionError, KeyError, IndexError, ValueError) as error:
                raise ScenarioError(f"{path.name}:{step.line}: {step.verb} {' '.join(step.words)}: {error}") from error

    def _account(self, step: Step) -> None:
        name, *addresses = step.words
        self.people[name] = Account(name, tuple(addresses))
        self.world.account(self.people[name])

    def _reset(self, step: Step) -> None:
        raise ScenarioError("reset stands for a new file here")

    def _tick(self, step: Step) -> None:
        for amount, unit in _TICK.findall(step.words[0]):
            self.now += timedelta(**{_UNITS[unit]: int(amount)})

    def _put(self, step: Step) -> None:
        account = self.people[step.words[0]]
        if step.words[1:2] == ("over",):
            calendar = self._over(account, step.words[2] if len(step.words) > 2 else "", step.block)
        else:
            calendar = self._calendar(step.block)
        self._took(account, self.world.put(account, self.respell(calendar), self.now))

    def _delete(self, step: Step) -> None:
        account = self.people[step.words[0]]
        self._took(account, self.world.delete(account, UID, self.now))

    def _reply(self, step: Step) -> None:
        account, partstat = self.people[step.words[0]], step.words[1]
        instance = step.words[2] if len(step.words) > 2 else ""
        stored = self._stored(account)
        lines = [line for line in self._part(stored, instance, derive=True) if self._is_line_of(line, account)]
        if not lines:
            raise ScenarioError(f"{account.name} is not on the list of {instance or 'the event'}")
        answered = re.sub(r";PARTSTAT=[^;:]*", "", lines[0], flags=re.I).replace(
            "ATTENDEE", f"ATTENDEE;PARTSTAT={partstat}", 1
        )
        self._took(
            account,
            self.world.put(account, self._over(account, instance, (f"-{lines[0]}", f"+{answered}")), self.now),
        )

    def _rsvp(self, step: Step) -> None:
        guest, partstat = step.words[0], step.words[1]
        organizer = next(iter(self.people.values()))
        address = self._address(guest)
        lines = [f"ATTENDEE;PARTSTAT={partstat}:mailto:{address}", "DTSTAMP:" + _stamp(self.now)]
        stored = self._stored(organizer)
        sequence = [line for line in self._part(stored, "", derive=True) if line.startswith("SEQUENCE:")]
        if len(step.words) > 2:
            lines.append(_recurrence_line(step.words[2], stored))
        calendar = self._calendar(("METHOD:REPLY", *sequence, *lines))
        self._took(organizer, self.world.rsvp(organizer, address, calendar, self.now))

    def _send(self, step: Step) -> None:
        order = list(self.waiting)
        if step.words[:1] == ("last",):
            order.reverse()
        only = self.people[step.words[1]] if step.words[:1] == ("to",) else None
        owed: list[Letter] = []
        for letter in order:
            account = self._account_of(letter.to)
            if only is not None and account is not only:
                continue
            self.waiting.remove(letter)
            if account is not None:
                bearer = self.respell_address(letter.from_address)
                self._took(account, self.world.mail(bearer, account, self.respell(letter.calendar), self.now))
                owed += self.owed
        self.owed = owed

    def _mail(self, step: Step) -> None:
        bearer, arrow, name = step.words
        if arrow != "->":
            raise ScenarioError("mail ADDRESS -> NAME")
        account = self.people[name]
        calendar = self.respell(self._calendar(step.block))
        self._took(account, self.world.mail(self.respell_address(self._address(bearer)), account, calendar, self.now))

    def _took(self, account: Account, result: Result) -> None:
        self.last = result
        self.owed = list(result.letters)
        self.waiting += result.letters
        if result.outcome in _OUTCOMES:
            self.journal.setdefault(account.name, []).append(f"{result.outcome} {result.rule}")

    def _expect(self, step: Step) -> None:
        word = step.words[0]
        if word == "silence":
            if self.owed:
                raise ScenarioError(f"owed: {[(letter.method, letter.to) for letter in self.owed]}")
        elif word in ("nothing", "error", *_OUTCOMES):
            outcome, *rule = self._here(" ".join(step.words)).split()
            if self.last.outcome != outcome or (rule and self.last.rule != rule[0]):
                raise ScenarioError(f"it was {self.last.outcome} {self.last.rule} ({self.last.reason})")
            if not self.last.reason:
                raise ScenarioError("no reason given")
        else:
            self._expect_letter(step)

    def _here(self, wanted: str) -> str:
        """What an outcome is called in this world."""
        engine, _, gateway = wanted.partition(" gateway ")
        return gateway if gateway and self.world.has_policies else engine

    def _expect_letter(self, step: Step) -> None:
        words = list(step.words)
        method, name = words[0], words[2]
        options = dict(zip(words[3::2], words[4::2], strict=True))
        address = _normal(self._address(name))
        for letter in self.owed:
            if letter.method != method or _normal(letter.to) != address:
                continue
            if "sequence" in options and letter.sequence != int(options["sequence"]):
                continue
            if "at" in options and options["at"] not in letter.recurrence_ids:
                continue
            self.owed.remove(letter)
            self._look(_letter_lines(letter.calendar), step.block)
            return
        found = [(letter.method, letter.to, letter.sequence, letter.recurrence_ids) for letter in self.owed]
        raise ScenarioError(f"no such message; owed: {found} {self.last.outcome} {self.last.reason}")

    def _get(self, step: Step) -> None:
        account = self.people[step.words[0]]
        stored = self.world.stored(account, UID)
        if step.block == ("gone",):
            if stored is not None:
                raise ScenarioError("it is still there")
            return
        if stored is None:
            raise ScenarioError("nothing is stored")
        if len(step.words) > 1:
            self._look(tuple(self._part(stored, step.words[1])), step.block)
        else:
            self._look(tuple(self._part(stored, "", derive=True)), step.block)

    def _log(self, step: Step) -> None:
        journal = self.journal.get(step.words[0], [])
        if journal != [self._here(line) for line in step.block]:
            raise ScenarioError(f"the journal says {journal}")

    def _look(self, lines: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        for want in wanted:
            negative, text = want.startswith("not "), want.removeprefix("not ")
            if any(self._is_like(line, text) for line in lines) == negative:
                raise ScenarioError(f"{want!r} in\n  " + "\n  ".join(lines))

    def _is_like(self, line: str, want: str) -> bool:
        """`ATTENDEE lee ACCEPTED` by person and PARTSTAT; else name, value and the parameters that are named."""
        words = want.split()
        if words[0] in ("ATTENDEE", "ORGANIZER") and len(words) > 1:
            people = self.people.get(words[1], Account(words[1], (words[1],)))
            found = line.upper().startswith(words[0]) and self._is_line_of(line, people)
            if found and len(words) > 2:
                given = re.search(r";PARTSTAT=([^;:]*)", line, re.I)
                return (given[1].upper() if given else "NEEDS-ACTION") == words[2]
            return found
        head, _, value = line.partition(":")
        want_head, colon, want_value = want.partition(":")
        params = {piece.upper() for piece in head.split(";")}
        return {piece.upper() for piece in want_head.split(";")} <= params and (not colon or value == want_value)

    def _is_line_of(self, line: str, account: Account) -> bool:
        if not line.upper().startswith(("ATTENDEE", "ORGANIZER")):
            return False
        return _normal(re.split("mailto:", line, flags=re.I)[-1]) in map(_normal, account.addresses)

    def _account_of(self, address: str) -> Account | None:
        wanted = _normal(address)
        return next((a for a in self.people.values() if wanted in map(_normal, a.addresses)), None)

    def _address(self, name: str) -> str:
        return self.people[name].addresses[0] if name in self.people else name

    def _stored(self, account: Account) -> str:
        stored = self.world.stored(account, UID)
        if stored is None:
            raise ScenarioError(f"{account.name} has no such event")
        return stored

    def _calendar(self, block: tuple[str, ...]) -> str:
        method = [line for line in block if line.startswith("METHOD:")]
        lines = [line for line in block if not line.startswith("METHOD:")]
        if lines and not any(line.startswith("BEGIN:V") and line != "BEGIN:VALARM" for line in lines):
            lines = ["BEGIN:VEVENT", *lines, "END:VEVENT"]
        body: list[str] = []
        for line in lines:
            body += [line] if not line.startswith(("ATTENDEE ", "ORGANIZER ")) else [self._person_line(line)]
            if line in ("BEGIN:VEVENT", "BEGIN:VTODO"):
                body += self._added(lines)
        return "\r\n".join(
            ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Story//EN", *method, *body, "END:VCALENDAR", ""]
        )

    def _added(self, lines: list[str]) -> Iterator[str]:
        if not any(line.startswith("UID:") for line in lines):
            yield f"UID:{UID}"
        if not any(line.startswith("DTSTAMP:") for line in lines):
            yield "DTSTAMP:" + _stamp(self.now)

    def _person_line(self, line: str) -> str:
        words = line.split()
        address = self._address(words[1])
        if words[0] == "ORGANIZER":
            return f"ORGANIZER:mailto:{address}"
        return f"ATTENDEE;PARTSTAT={words[2] if len(words) > 2 else 'NEEDS-ACTION'};RSVP=TRUE:mailto:{address}"

    def _part(self, stored: str, instance: str, *, derive: bool = False) -> list[str]:
        """The lines of one component; with `derive` the master stands in for an instance that has none."""
        master: list[str] = []
        for part in _parts(stored):
            here = [line for line in part if line.startswith("RECURRENCE-ID")]
            if here and instance and here[0].rpartition(":")[2] == instance:
                return part
            if not here:
                master = part
        if instance and not derive:
            raise ScenarioError(f"there is no override {instance}")
        return master or _parts(stored)[0]

    def _over(self, account: Account, instance: str, changes: tuple[str, ...]) -> str:
        stored = self._stored(account)
        part = self._part(stored, instance, derive=bool(instance))
        fresh = bool(instance) and not any(line.startswith("RECURRENCE-ID") for line in part)
        lines = list(part)
        if fresh:
            lines = _derived(lines, instance, stored)
        for change in changes:
            lines = self._changed(lines, change)
        before = _unfolded(stored)
        old, new = "\r\n".join(part), "\r\n".join(lines)
        if fresh:
            return before.replace("END:VCALENDAR", new + "\r\nEND:VCALENDAR")
        return before.replace(old, new)

    def _changed(self, lines: list[str], change: str) -> list[str]:
        if change.startswith("-"):
            if change[1:].startswith("ATTENDEE "):
                gone = self.people.get(change.split()[1], Account("", (change.split()[1],)))
                return [line for line in lines if not (line.startswith("ATTENDEE") and self._is_line_of(line, gone))]
            return [line for line in lines if line != change[1:] and re.split("[;:]", line)[0] != change[1:]]
        text = change.removeprefix("+")
        new = self._person_line(text) if text.startswith(("ATTENDEE ", "ORGANIZER ")) else text
        if not change.startswith("+"):
            name = re.split("[;:]", new)[0]
            lines = [line for line in lines if re.split("[;:]", line)[0] != name]
        return [*lines[:-1], new, lines[-1]]


def _derived(lines: list[str], instance: str, stored: str) -> list[str]:
    start = next(line for line in lines if line.startswith("DTSTART"))
    moved = start.rpartition(":")[0] + ":" + instance
    kept = [line for line in lines if not line.startswith(("RRULE", "RDATE", "EXDATE", "DTSTART", "DTEND"))]
    recurrence = _recurrence_line(instance, stored)
    return [kept[0], recurrence, moved, *kept[1:]]


def _recurrence_line(instance: str, stored: str) -> str:
    start = next(line for part in _parts(stored) for line in part if line.startswith("DTSTART"))
    return "RECURRENCE-ID" + start.rpartition(":")[0].removeprefix("DTSTART") + ":" + instance


def _parts(calendar: str) -> list[list[str]]:
    parts: list[list[str]] = []
    inside = ""
    for line in _unfolded(calendar).splitlines():
        if not inside and line in ("BEGIN:VEVENT", "BEGIN:VTODO"):
            inside = line[6:]
            parts.append([])
        if inside:
            parts[-1].append(line)
        if line == f"END:{inside}":
            inside = ""
    return parts


def _letter_lines(calendar: str) -> tuple[str, ...]:
    """The lines of a message; of its zones only the names."""
    text = _unfolded(calendar)
    zones = [line for line in text.splitlines() if line.startswith("TZID:")]
    return (*re.sub(r"BEGIN:VTIMEZONE.*?END:VTIMEZONE\r?\n", "", text, flags=re.S).splitlines(), *zones)


def _unfolded(calendar: str) -> str:
    return re.sub(r"\r?\n[ \t]", "", calendar)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _normal(address: str) -> str:
    return address.lower().removeprefix("mailto:")
