# SPDX-License-Identifier: Apache-2.0
"""Authentication-Results: what our own border found out, told apart from what a stranger wrote (RFC 8601).

A field counts only if it bears one of our authserv-ids and stands where our border puts it: in the trace lines on
top, above the first Received (or under as many Received lines as our own hosts add before their filters write).
Whatever else bears our id is forged and is to be taken out (RFC 8601 §5); so is a field with our id that cannot be
read, since a border writes none. Reading is by token, never by pattern: comments, quoted strings and `;` inside
quotes are the classic ways to make two readers see two things.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.imip.headers import Field, HeaderBlock
from gateway.imip.tokens import Kind, Token, parse_tokens

_KEYWORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
_METHOD = re.compile(r"([A-Za-z0-9-]{1,64})(?:/([0-9]{1,5}))?", re.ASCII)
_PROPERTY = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_.-]{1,64})", re.ASCII)
MAX_RESULTS = 50
MAX_FIELDS = 10  # fields with our id that are read; a border writes two or three
MAX_LENGTH = 4096  # of one field

#: What may stand between the fields that a border adds on top. Anything else, and the sender's text has begun.
_TRACE = frozenset(
    ("authentication-results", "return-path", "delivered-to", "x-original-to", "received-spf", "dkim-filter")
)
_TRACE_PREFIXES = ("x-", "arc-")


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One method's result, such as `dkim=pass` with `header.d`; words in lower case, values as written."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """Return a property such as `header.from`, lower-cased; "" where it is absent or given twice, differently."""
        values = {value.lower() for key, value in self.properties if key == name}
        return values.pop() if len(values) == 1 else ""


@dataclass(frozen=True, slots=True)
class AuthResults:
    """One Authentication-Results field."""

    authserv_id: str
    results: tuple[AuthResult, ...]


@dataclass(frozen=True, slots=True)
class Forgery:
    """A field that claims to be ours and is not: where it lies in the mail, and why it is not believed."""

    name: str
    reason: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TrustedResults:
    """What our border says about a mail, topmost first, and what only pretends to come from it."""

    results: tuple[AuthResult, ...] = ()
    forged: tuple[Forgery, ...] = ()

    def first(self, method: str) -> AuthResult | None:
        """Return the topmost result of a method; a second, lower one never overrides it."""
        return next((result for result in self.results if result.method == method), None)

    def all(self, method: str) -> Iterator[AuthResult]:
        """Yield every result of a method; DKIM has one for each signature."""
        return (result for result in self.results if result.method == method)


def parse_authres(value: str) -> AuthResults:
    """Read one field value (RFC 8601 §2.2), tolerating only what says the same to every reader.

    Raises:
        Refused: `bad-header` with a sentence.
    """
    tokens = list(parse_tokens(value, ";=", max_length=MAX_LENGTH))
    clauses = _clauses(tokens)
    authserv_id = _authserv_id(clauses[0])
    rest = [clause for clause in clauses[1:] if clause]
    if len(rest) > MAX_RESULTS:
        raise Refused("bad-header", "There are too many results in one field")
    if len(rest) == 1 and [token.text.lower() for token in rest[0]] == ["none"]:
        return AuthResults(authserv_id, ())
    if not rest:
        raise Refused("bad-header", "There is no result in the field")
    return AuthResults(authserv_id, tuple(_parse_result(clause) for clause in rest))


def read_trusted(
    block: HeaderBlock, authserv_ids: Collection[str], *, received_above: int = 0, remove_forged: bool = True
) -> TrustedResults:
    """Tell our border's results from forgeries.

    `received_above` is how many Received lines our own hosts write above the fields of their filters: 0 where they
    stand on top, 1 behind a Postfix whose milters insert below its own line. If any stands on top, only those count.
    """
    ours = frozenset(authserv_id.lower() for authserv_id in authserv_ids)
    trusted: list[AuthResult] = []
    forged: list[Forgery] = []
    believed = _believed_fields(block, ours, received_above)
    suspects = (field for field in block.all("authentication-results") if _mentions(field.value, ours))
    for number, field in enumerate(suspects, 1):
        try:
            if number > MAX_FIELDS:
                raise Refused("bad-header", "There are too many fields with our authserv-id")
            parsed = parse_authres(field.value)
        except Refused as refused:
            forged.append(Forgery("Authentication-Results", refused.public, field.start, field.end))
            continue
        if parsed.authserv_id.lower() not in ours:
            continue
        if field in believed:
            trusted += parsed.results
        else:
            reason = "It bears our authserv-id below the lines that our border wrote"
            forged.append(Forgery("Authentication-Results", reason, field.start, field.end))
    return TrustedResults(tuple(trusted), tuple(forged))


def forged_marks(block: HeaderBlock, *, ours: Collection[str] = ()) -> tuple[Forgery, ...]:
    """Return the X-iMIP-Gateway fields to take out: all but those whose exact value we know to be ours."""
    fields = (field for field in block.all("x-imip-gateway") if field.value not in ours)
    reason = "It bears our mark and we did not write it"
    return tuple(Forgery("X-iMIP-Gateway", reason, field.start, field.end) for field in fields)


def sealers(block: HeaderBlock) -> tuple[str, str]:
    """Return the domain of the newest ARC seal and what its sealer saw of DMARC (RFC 8617 §4), "" where absent.

    This is the claim only. Whether the chain holds is the border's word (`arc=pass`).
    """
    seals = {_instance(field.value): field.value for field in block.all("arc-seal")}
    newest = max(seals, default=0)
    domain = _tag(seals[newest], "d") if newest else ""
    for field in block.all("arc-authentication-results"):
        instance, _, rest = field.value.partition(";")
        if newest and _instance(instance) == newest:
            try:
                dmarc = TrustedResults(parse_authres(rest).results).first("dmarc")
            except Refused:
                break
            if dmarc is not None and dmarc.result == "pass":
                return domain, dmarc.get("header.from")
    return domain, ""


def _believed_fields(block: HeaderBlock, ours: frozenset[str], received_above: int) -> tuple[Field, ...]:
    """Walk down the trace lines: those on top, else those under our own hosts' Received lines."""
    levels: list[list[Field]] = [[]]
    for field in block.fields:
        if field.name == "received":
            levels.append([])
            if len(levels) > received_above + 1:
                break
        elif field.name == "authentication-results":
            levels[-1].append(field)
        elif field.name not in _TRACE and not field.name.startswith(_TRACE_PREFIXES):
            break
    for level in levels:
        if any(_mentions(field.value, ours) for field in level):
            return tuple(level)
    return ()


def _clauses(tokens: list[Token]) -> list[list[Token]]:
    clauses: list[list[Token]] = [[]]
    for token in tokens:
        if token.is_special(";"):
            clauses.append([])
        else:
            clauses[-1].append(token)
    return clauses


def _authserv_id(clause: list[Token]) -> str:
    words = [token.text for token in clause if token.kind is not Kind.SPECIAL]
    version = words[1] if len(words) == 2 else "1"
    if len(words) != len(clause) or len(words) not in (1, 2) or version != "1":
        raise Refused("bad-header", "The field does not begin with an authserv-id")
    return words[0]


def _parse_result(clause: list[Token]) -> AuthResult:
    pairs = list(_pairs(clause))
    name, result = pairs[0]
    method = _METHOD.fullmatch(name)
    if method is None or method[2] not in (None, "1") or not _KEYWORD.fullmatch(result):
        raise Refused("bad-header", "A result in the field is not of the form method=result")
    reason = ""
    properties: list[tuple[str, str]] = []
    for key, value in pairs[1:]:
        if key.lower() == "reason" and not reason:
            reason = value[:200]
        elif _PROPERTY.fullmatch(key):
            properties.append((key.lower(), value))
        else:
            raise Refused("bad-header", "A property in the field is not of the form type.name=value")
    return AuthResult(method[1].lower(), result.lower(), reason, tuple(properties))


def _pairs(clause: list[Token]) -> Iterator[tuple[str, str]]:
    """Split a clause into `key=value` pairs; a value goes on as long as its pieces touch (`"a b"@example.org`)."""
    position = 0
    while position < len(clause):
        key = clause[position]
        if key.kind is not Kind.ATOM or position + 1 >= len(clause) or not clause[position + 1].is_special("="):
            raise Refused("bad-header", "The field cannot be read as method=result and properties")
        position += 2
        if position == len(clause):  # the null sender's `smtp.mailfrom=` has nothing behind it
            yield key.text, ""
            return
        if clause[position].is_special("="):
            raise Refused("bad-header", "The field has a value that begins with an equals sign")
        value = clause[position].text
        position += 1
        while position < len(clause) and not clause[position].spaced:
            value += clause[position].text
            position += 1
        yield key.text, value


def _mentions(value: str, ours: frozenset[str]) -> bool:
    folded = value.replace("\\", "").lower()
    return any(authserv_id in folded for authserv_id in ours)


def _tag(value: str, name: str) -> str:
    for piece in value[:4000].split(";"):
        key, _, text = piece.partition("=")
        if key.strip() == name:
            return text.strip().lower()
    return ""


def _instance(value: str) -> int:
    text = _tag(value, "i")
    return int(text) if text.isdecimal() and len(text) <= 3 else 0
