# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in JMAP: with the request as a whole, with one method call, with one object (RFC 8620 §3.6, §5.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import GatewayError
from gateway.jscalendar.values import InvalidProperty, Json


class RequestProblem(Exception):
    """The whole request is answered with a problem document: `kind` is the last word of its URN."""

    def __init__(self, kind: str, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.members = members


class MethodError(Exception):
    """One method call is answered with `error`."""

    def __init__(self, kind: str, description: str = "", **members: object) -> None:
        super().__init__(kind, description)
        self.kind = kind
        self.description = description
        self.members = members

    @property
    def arguments(self) -> Json:
        """The arguments of the `error` response."""
        described = {"description": self.description} if self.description else {}
        return {"type": self.kind, **described, **self.members}


@dataclass(frozen=True, slots=True)
class SetError:
    """Why one object was not created, updated or destroyed."""

    kind: str
    description: str = ""
    properties: tuple[str, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def json(self) -> Json:
        """The SetError object (RFC 8620 §5.3)."""
        described = {"description": self.description} if self.description else {}
        named = {"properties": list(self.properties)} if self.properties else {}
        return {"type": self.kind, **described, **named, **self.members}


class SetFailure(Exception):
    """Carries a SetError out of the transaction of one object, which is undone."""

    def __init__(self, kind: str, description: str = "", *properties: str, **members: object) -> None:
        super().__init__(kind, description)
        self.error = SetError(kind, description, properties, members)


def invalid_properties(faults: Iterable[InvalidProperty]) -> SetFailure:
    """Return the failure that names every faulty property and says what is wrong with each."""
    found = list(faults)
    words = "; ".join(f"{fault.path or 'object'}: {fault.reason}" for fault in found[:10])
    return SetFailure("invalidProperties", words, *dict.fromkeys(fault.path for fault in found if fault.path))


#: Slugs of refusals that have a SetError of their own; any other refusal is `forbidden` with its sentence.
_SET_ERRORS = {
    "no-supported-schedule-methods": ("noSupportedScheduleMethods", ()),
    "bad-calendar": ("invalidProperties", ()),
    "bad-rule": ("invalidProperties", ("recurrenceRule",)),
    "bad-value": ("invalidProperties", ()),
    "too-large": ("tooLarge", ()),
    "over-limit": ("rateLimit", ()),
    "rate-limited": ("rateLimit", ()),
    "not-found": ("notFound", ()),
    "uid-taken": ("invalidProperties", ("uid",)),
}


#: Rules that refuse for another reason than most of their kind: to try again later does not help.
_OF_RULES = {"limit.recipients": ("tooLarge", ("participants",)), "limit.guests": ("tooLarge", ("participants",))}


def set_error(error: GatewayError) -> SetError:
    """Return what a refusal means for one object."""
    rule = error.context.get("rule")
    kind, properties = _OF_RULES.get(str(rule)) or _SET_ERRORS.get(error.code, ("forbidden", ()))
    return SetError(kind, error.public, properties, {"rule": rule} if rule else {})
