# SPDX-License-Identifier: Apache-2.0
"""What the demo talks with: a small JMAP client, a browser without pictures, an SMTP client, an eye on the next hop."""

import base64
import email
import email.policy
import http.client
import json
import re
import smtplib
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

PATIENCE_SECONDS = 15.0
_WANTED = (
    "urn:ietf:params:jmap:core",
    "urn:ietf:params:jmap:calendars",
    "urn:imip-gateway:scheduling",
    "urn:imip-gateway:admin",
)


class Missing(Exception):
    """Something did not answer as the story needs it."""


class Jmap:
    """JMAP as one account (RFC 8620 §3.3)."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self._host = address
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        session = self._json("GET", "/.well-known/jmap")
        self._using = [capability for capability in _WANTED if capability in session["capabilities"]]
        self.account_id = session["primaryAccounts"]["urn:ietf:params:jmap:calendars"]

    def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call one method and return its response's arguments."""
        call = [method, {"accountId": self.account_id, **arguments}, "c1"]
        response = self._json("POST", "/jmap/", {"using": self._using, "methodCalls": [call]})
        name, result, _ = response["methodResponses"][0]
        if name != method:
            raise Missing(f"{method}: {result}")
        return cast("dict[str, Any]", result)

    def set_event(self, **changes: Any) -> dict[str, Any]:
        """Create, update or destroy events, sending what that owes."""
        result = self.call("CalendarEvent/set", {"sendSchedulingMessages": True, **changes})
        for failed in ("notCreated", "notUpdated", "notDestroyed"):
            if result.get(failed):
                raise Missing(f"{failed}: {result[failed]}")
        return result

    def event(self, event_id: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.call("CalendarEvent/get", {"ids": [event_id]})["list"][0])

    def default_calendar(self) -> str:
        calendars = self.call("Calendar/get", {"ids": None})["list"]
        return str(next(calendar["id"] for calendar in calendars if calendar["isDefault"]))

    def _json(self, verb: str, path: str, body: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, timeout=PATIENCE_SECONDS)
        try:
            connection.request(verb, path, json.dumps(body) if body is not None else None, self._headers)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status in (301, 302, 307, 308):
                return self._json(verb, urllib.parse.urlsplit(response.headers["Location"]).path, body)
            if response.status != 200:
                raise Missing(f"{verb} {path}: {response.status} {text[:200]}")
            return cast("dict[str, Any]", json.loads(text))
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class SeenMail:
    """A mail at the next hop."""

    subject: str
    from_: str
    to: str
    text: str
    calendar_method: str | None
    gateway: str | None

    def link(self, path: str) -> str:
        """Return the first link in the text that contains a path."""
        found = re.search(rf"https?://\S*{re.escape(path)}[^\s>)\"]+", self.text)
        if found is None:
            raise Missing(f"no link with {path} in {self.subject}")
        return found.group()


class Mailbox:
    """The folder that stands for the next hop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mails(self) -> list[SeenMail]:
        paths = self._folder.glob("new/*")
        return [_read(path) for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]

    def count(self, to: str, subject: str) -> int:
        return len([mail for mail in self.mails() if to in mail.to and mail.subject.startswith(subject)])

    def wait(self, to: str, subject: str) -> SeenMail:
        """Return the newest mail to somebody whose subject begins so, as soon as it is there."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = [mail for mail in self.mails() if to in mail.to and mail.subject.startswith(subject)]
            if found:
                return found[-1]
            if time.monotonic() > end:
                there = "; ".join(f"{mail.to}: {mail.subject}" for mail in self.mails())
                raise Missing(f"no mail {subject!r} to {to}; there is: {there or 'nothing'}")
            time.sleep(0.05)


def _read(path: Path) -> SeenMail:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    plain = message.get_body(("plain",))
    calendar = next((part for part in message.walk() if part.get_content_type() == "text/calendar"), None)
    return SeenMail(
        subject=str(message["Subject"]),
        from_=str(message["From"]),
        to=str(message["To"]),
        text=str(plain.get_content()) if plain else "",
        calendar_method=str(calendar.get_param("method")) if calendar else None,
        gateway=message["X-iMIP-Gateway"],
    )


@dataclass(frozen=True, slots=True)
class Page:
    """A web page as it was answered."""

    status: int
    text: str


def get_page(url: str) -> Page:
    """GET a page."""
    return _page("GET", url)


def post_answer(url: str, page: Page, status: str, comment: str) -> Page:
    """Send the page's form with an answer chosen, as a person's browser does."""
    fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
    return _page("POST", url, {**fields, "status": status, "comment": comment})


def _page(verb: str, url: str, form: dict[str, str] | None = None) -> Page:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(verb, parts.path, urllib.parse.urlencode(form) if form else None, headers)
        response = connection.getresponse()
        return Page(response.status, response.read().decode())
    finally:
        connection.close()


def send_mail(address: str, mail_from: str, rcpt_to: str, mail: bytes) -> None:
    """Hand one mail to the filter, as Postfix does."""
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=PATIENCE_SECONDS) as smtp:
        smtp.sendmail(mail_from, [rcpt_to], mail)
