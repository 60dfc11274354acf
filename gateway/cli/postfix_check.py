# SPDX-License-Identifier: Apache-2.0
"""The mistakes that wiring makes possible: loops, folded lines, limits without effect, doors that nobody opens.

Each was measured against Postfix, or is told by its manual; the rows say what is wrong and how to mend it.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from gateway.cli.findings import Finding, State
from gateway.cli.postconf import Postconf, Wired, seconds
from gateway.cli.postfix_settings import TRANSPORT
from gateway.config import Config, Listener
from gateway.relay.url import RelayUrl, parse_relay_url

_Row = tuple[bool, State, str, str]  # it is so; how bad; what was found; how to mend it
_TRANSPORT = f"{TRANSPORT}/unix"
_SOME = "hands us what a FILTER line names only"
_APPLY = "imip-gateway postfix apply --mode {} makes it so"


def check_wiring(config: Config, postconf: Postconf) -> Iterator[Finding]:
    """Look at a Postfix and say what is wrong with the way in which it knows us."""
    wired = postconf.read()
    after = wired.main.get("content_filter", "").startswith(f"{TRANSPORT}:")
    proxies = [key for key, options in wired.options.items() if options.get("smtpd_proxy_filter")]
    milters = _our_milters(config, wired.main.get("smtpd_milters", ""))
    some = _TRANSPORT in wired.services and not after  # what a FILTER line of header checks names
    if not (after or proxies or milters):
        mend = "" if some else "imip-gateway postfix apply --mode lmtp"
        yield Finding("Postfix", State.HINT, _SOME if some else "no mail is handed to us", mend)
    rows = list(_general(config, wired))
    rows += [*_transport(config, wired, all_mail=after)] if after or some else []
    rows += [*_way_back(config, wired, after=after, some=some)] if after or some or proxies else []
    rows += [*_milter(wired, milters)] if milters else []
    rows += [row for key in proxies for row in _proxy(wired, key)]
    faults = [Finding("Postfix", state, found, mend) for holds, state, found, mend in rows if holds]
    yield from faults
    if (after or proxies or milters) and not any(fault.state is State.BAD for fault in faults):
        how = wired.main["content_filter"] if after else "smtpd_proxy_filter" if proxies else "its milters"
        yield Finding("Postfix", State.GOOD, f"hands us mail through {how}")


def _our_milters(config: Config, milters: str) -> list[str]:
    ours = [str(each.address).removeprefix("unix:") for each in config.listeners if each.kind == "milter"]
    return [address for address in ours if address in milters]


def _general(config: Config, wired: Wired) -> Iterator[_Row]:
    largest = int(wired.main.get("message_size_limit", "0"))
    for listener in config.listeners:
        if listener.kind in ("filter", "lmtp"):
            small = not largest or largest > listener.max_message_size
            yield (small, State.BAD, f"takes mail of {largest or 'any number of'} octets, {listener.kind} on"
                   f" {listener.listen} only {listener.max_message_size}: larger mail would bounce",
                   "raise max_message_size of the listener above message_size_limit")  # fmt: skip
    unlasting = wired.main.get("enable_long_queue_ids") != "yes"
    yield (
        unlasting,
        State.HINT,
        "queue ids are used again, so a trace may show two mails",
        "enable_long_queue_ids = yes",
    )


def _proxy(wired: Wired, key: str) -> Iterator[_Row]:
    """The smtpd before us in the mode proxy (MILTER_README, Limitations)."""
    milters = wired.of(key, "smtpd_milters")
    yield (bool(milters), State.BAD, f"{key} shows {milters} neither header nor body, since it hands mail to a proxy",
           "imip-gateway postfix apply --mode lmtp, which goes with milters")  # fmt: skip


def _transport(config: Config, wired: Wired, *, all_mail: bool) -> Iterator[_Row]:
    """The client by which mail reaches us."""
    if _TRANSPORT not in wired.services:
        yield (True, State.BAD, f"master.cf has no service {TRANSPORT}", _APPLY.format("lmtp"))
        return
    client = wired.services[_TRANSPORT][7]
    door = _door_of(config, wired.main["content_filter"].partition(":")[2]) if all_mail else None
    kind = "lmtp" if client == "lmtp" else "filter"
    yield (all_mail and door is None, State.BAD,
           f"content_filter names {wired.main['content_filter']}, where none of our doors is",
           "name the address of a [[listener]] of kind lmtp or filter")  # fmt: skip
    yield (door is not None and door.kind != kind, State.BAD, f"speaks {client} to a door of another kind",
           "lmtp to kind lmtp, smtp to kind filter")  # fmt: skip
    concurrency = int(wired.main.get(f"{TRANSPORT}_destination_concurrency_limit", "20") or 20)
    yield (door is not None and concurrency > door.max_sessions, State.BAD,
           f"opens {concurrency} sessions, the door takes {door.max_sessions if door else 0}",
           f"lower {TRANSPORT}_destination_concurrency_limit, or raise max_sessions")  # fmt: skip
    yield (wired.of(_TRANSPORT, f"{client}_line_length_limit") != "0", State.BAD,
           "long lines are folded on the way to us: signatures break", f"-o {client}_line_length_limit=0")  # fmt: skip
    yield (wired.of(_TRANSPORT, f"{client}_send_xforward_command") != "yes", State.BAD,
           "we are not told the client, the queue id, the login", f"-o {client}_send_xforward_command=yes")  # fmt: skip
    yield (wired.of(_TRANSPORT, "disable_mime_output_conversion") != "yes", State.HINT,
           "8-bit mail may be converted on the way to us", "-o disable_mime_output_conversion=yes")  # fmt: skip
    rewriting = [name for name in (f"{client}_generic_maps", f"{client}_header_checks", f"{client}_body_checks")
                 if wired.of(_TRANSPORT, name)]  # fmt: skip
    yield (bool(rewriting), State.BAD, f"{', '.join(rewriting)} rewrites mail on the way to us: nobody is who they say",
           "".join(f"-o {name}= " for name in rewriting).strip())  # fmt: skip
    idle = [
        name for name in wired.options.get(_TRANSPORT, {}) if name.endswith(("_recipient_limit", "_concurrency_limit"))
    ]
    yield (bool(idle), State.BAD, f"{', '.join(idle)} as an -o has no effect: the queue manager reads it",
           f"{TRANSPORT}_destination_recipient_limit in main.cf")  # fmt: skip
    patience, ours = seconds(wired.of(_TRANSPORT, f"{client}_data_done_timeout")), config.relay.final_timeout
    yield (patience <= ours.total_seconds(), State.BAD, "gives up before we do: mail would be delivered twice",
           f"-o {client}_data_done_timeout=600s, or a shorter [relay] final_timeout")  # fmt: skip


def _door_of(config: Config, nexthop: str) -> Listener | None:
    """Which of our doors a next hop such as `[127.0.0.1]:10025`, `inet:host:port` or `unix:/path` names."""
    plain = nexthop.removeprefix("inet:")
    plain = re.sub(r"^\[([^\]:]+)\]", r"\1", plain)
    doors = [each for each in config.listeners if each.kind in ("filter", "lmtp")]
    return next((each for each in doors if str(each.address) == plain), None)


def _way_back(config: Config, wired: Wired, *, after: bool, some: bool) -> Iterator[_Row]:
    """The smtpd that takes mail back."""
    back = _service_of(parse_relay_url(config.relay.url), wired)
    if back is None:
        yield (True, State.BAD, f"does not listen on {config.relay.url}, where we bring mail back",
               _APPLY.format("lmtp") + ", or mend [relay] url")  # fmt: skip
        return
    address, _, kind = back.rpartition("/")
    host, _, port = address.rpartition(":")
    before, behind = wired.main.get("receive_override_options", ""), wired.of(back, "receive_override_options")
    mapped = ["no_address_mappings" not in each for each in (before, behind)]
    checks = any(wired.main.get(name) for name in ("header_checks", "mime_header_checks", "body_checks"))
    yield (bool(wired.of(back, "content_filter")), State.BAD, f"{back} hands mail to a content filter again: a loop",
           f"-o content_filter= for {back}")  # fmt: skip
    yield (bool(wired.of(back, "smtpd_proxy_filter")), State.BAD, f"{back} hands mail to a proxy filter again: a loop",
           f"-o smtpd_proxy_filter= for {back}")  # fmt: skip
    yield (kind == "inet" and not _is_here(host.strip("[]")), State.BAD,
           f"{back} listens to everybody: what comes there is looked at by nobody",
           f"127.0.0.1:{port} instead")  # fmt: skip
    yield (after and mapped == [True, True], State.BAD, "aliases are expanded before us and behind us: mail is doubled",
           "receive_override_options = no_address_mappings in main.cf")  # fmt: skip
    yield (some and mapped == [True, True], State.BAD, "aliases are expanded before us and behind us: mail is doubled",
           f"-o receive_override_options=no_address_mappings,no_header_body_checks,no_milters for {back}")  # fmt: skip
    queued = after or some
    yield (queued and mapped == [False, False], State.BAD, "aliases are expanded neither before us nor behind us",
           f"no no_address_mappings for {back}")  # fmt: skip
    yield (checks and queued and "no_header_body_checks" not in behind, State.BAD,
           f"{back} looks at headers again: a FILTER line there is a loop",
           f"-o receive_override_options=no_header_body_checks,no_milters for {back}")  # fmt: skip
    yield (bool(wired.of(back, "smtpd_milters")) and "no_milters" not in behind, State.HINT,
           f"{back} shows mail to the milters a second time", f"-o smtpd_milters= for {back}")  # fmt: skip
    yield (not wired.of(back, "smtpd_authorized_xforward_hosts"), State.HINT,
           f"{back} is not told the real client", "-o smtpd_authorized_xforward_hosts=127.0.0.0/8")  # fmt: skip
    yield (bool(wired.of(back, "local_header_rewrite_clients")), State.BAD,
           f"{back} completes the headers of strangers' mail: signatures break",
           f"-o local_header_rewrite_clients= for {back}")  # fmt: skip
    sends = queued and _TRANSPORT in wired.services
    most, sessions = wired.processes(back), wired.processes(_TRANSPORT) if sends else 0
    yield (bool(most) and most < sessions, State.BAD, f"{back} has {most} processes for {sessions} of {TRANSPORT}",
           f"raise the process limit of {back} in master.cf")  # fmt: skip
    deaf = bool(config.authn.trusted_authserv_ids) and not config.authn.received_above_authres
    yield (deaf, State.HINT, "writes what its milters found below its Received line, where we do not look",
           "[authn] received_above_authres = 1")  # fmt: skip


def _service_of(url: RelayUrl, wired: Wired) -> str | None:
    """The service of master.cf that listens where we bring mail back; a unix socket is one that is not private."""
    if url.path is None:
        return next((key for key in wired.services if re.fullmatch(rf"(.*:)?{url.port}/inet", key)), None)
    key = f"{url.path.name}/unix"
    is_public = key in wired.services and wired.services[key][2] == "n"
    here = Path(wired.main.get("queue_directory", "/var/spool/postfix"), "public")
    return key if is_public and url.path.parent == here else None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _milter(wired: Wired, ours: list[str]) -> Iterator[_Row]:
    others = wired.main["smtpd_milters"].rpartition(ours[-1])[2].strip(" ,}")
    others = re.sub(r"^(?:,?\s*[a-z_]+\s*=\s*[^,\s}]+)+[\s}]*", "", others).strip(" ,")
    yield (bool(others), State.HINT, f"{others} sees mail after us, so we do not see what it finds",
           "name our milter last in smtpd_milters")  # fmt: skip
    old = wired.main.get("milter_protocol", "6")
    yield (old.isdigit() and int(old) < 6, State.HINT, f"speaks milter protocol {old}", "milter_protocol = 6")
