# SPDX-License-Identifier: Apache-2.0
"""The Postfix settings of each way to connect, as data: what `postfix show` prints and `postfix apply` makes.

The reasons stand beside the settings; they were measured against Postfix 3.7 (contrib/postfix/README.md tells more).
"""

from dataclasses import dataclass, field

MODES = ("filter", "lmtp", "proxy", "milter")

#: The service by which mail reaches us. Its destination limits must stand in main.cf: the queue manager reads them.
TRANSPORT = "imip-gateway"


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf: its columns, and its `-o` options with the reason for each."""

    name: str
    kind: str
    columns: str  # private unpriv chroot wakeup maxproc command
    options: tuple[tuple[str, str, str], ...]

    @property
    def key(self) -> str:
        return f"{self.name}/{self.kind}"


@dataclass(frozen=True, slots=True)
class Wiring:
    """All that one mode asks of Postfix: main.cf parameters (name, value, reason) and master.cf services."""

    mode: str
    parameters: tuple[tuple[str, str, str], ...]
    services: tuple[Service, ...] = field(default=())
    overrides: tuple[tuple[str, str, str, str], ...] = field(default=())  # of existing services: key, name, value, why


_UNTOUCHED = (  # rewriting is for the way out, and would be done again there
    ("generic_maps", "addresses stay as they came: From is what we compare"),
    ("header_checks", "nothing is rewritten on the way to us"),
    ("mime_header_checks", ""),
    ("nested_header_checks", ""),
    ("body_checks", ""),
)


def wiring(mode: str, door: str, back: str, *, entry: str = "smtp/inet", sessions: int = 8) -> Wiring:
    """Return the settings for a mode: `door` is where we listen, `back` where Postfix takes mail back.

    `entry` is the service of master.cf that takes mail from outside; only the mode `proxy` changes it.
    """
    if mode == "milter":
        return _milter(door)
    if mode == "proxy":
        return _proxy(door, back, entry, sessions)
    return _after_queue(mode, door, back, sessions)


def _after_queue(mode: str, door: str, back: str, sessions: int) -> Wiring:
    client = "lmtp" if mode == "lmtp" else "smtp"
    lasting = door.removeprefix("unix:")
    nexthop = (
        f"unix:{lasting}" if door.startswith("unix:") else f"[{door.rpartition(':')[0]}]:{door.rpartition(':')[2]}"
    )
    transport = Service(
        TRANSPORT,
        "unix",
        f"- - n - {sessions} {client}",
        (
            (f"{client}_send_xforward_command", "yes", "our log and the way back know the real client and queue id"),
            ("disable_mime_output_conversion", "yes", "no conversion to quoted-printable: signatures stay intact"),
            (f"{client}_line_length_limit", "0", "no folding of long lines: signatures stay intact"),
            *((f"{client}_{maps}", "", why) for maps, why in _UNTOUCHED),
            (f"{client}_tls_security_level", "none", "loopback"),
            (f"{client}_sasl_auth_enable", "no", "loopback"),
            (f"{client}_data_done_timeout", "600s", "longer than our own deadline for the next hop"),
            ("max_use", "100", "connections are renewed now and then"),
        ),
    )
    return Wiring(
        mode,
        (
            ("content_filter", f"{TRANSPORT}:{nexthop}", "every mail passes the gateway once"),
            ("receive_override_options", "no_address_mappings", "aliases are expanded behind the filter, not twice"),
            (f"{TRANSPORT}_destination_recipient_limit", "50", "as an -o of the transport it would have no effect"),
            (f"{TRANSPORT}_destination_concurrency_limit", str(sessions), "no more than the gateway's sessions"),
            ("enable_long_queue_ids", "yes", "queue ids that are never used again name a mail for ever"),
        ),
        (transport, _reinjection(back, sessions, f"{_CHECKED},no_header_body_checks", "looked at before the filter")),
    )


_CHECKED = "no_unknown_recipient_checks,no_milters"


def _reinjection(back: str, sessions: int, overrides: str, why: str) -> Service:
    """The smtpd to which we hand mail back: nothing is filtered, checked or rewritten a second time.

    A unix socket is a name in the folder `public` of Postfix's queue (master(5)); its smtpd takes us for 127.0.0.1.
    """
    name, kind = (back.rpartition("/")[2], "unix") if back.startswith("unix:") else (back, "inet")
    return Service(
        name,
        kind,
        f"n - n - {sessions * 2} smtpd",
        (
            ("content_filter", "", "or the mail would go round for ever"),
            ("receive_override_options", overrides, f"{why}; mappings are done here"),
            ("mynetworks", "127.0.0.0/8,[::1]/128", "we come from this machine"),
            ("smtpd_authorized_xforward_hosts", "127.0.0.0/8,[::1]/128", "the real client is told on"),
            ("smtpd_client_restrictions", "", ""),
            ("smtpd_helo_restrictions", "", ""),
            ("smtpd_sender_restrictions", "", ""),
            ("smtpd_relay_restrictions", "", ""),
            ("smtpd_recipient_restrictions", "permit_mynetworks,reject", "nobody else, ever"),
            ("smtpd_data_restrictions", "", ""),
            ("smtpd_end_of_data_restrictions", "", ""),
            ("local_header_rewrite_clients", "", "headers of strangers' mail are not completed"),
            ("smtpd_tls_security_level", "none", "loopback"),
            ("smtpd_milters", "", "seen before the filter"),
            ("smtpd_error_sleep_time", "0", ""),
            ("smtpd_soft_error_limit", "1001", ""),
            ("smtpd_hard_error_limit", "1000", ""),
            ("smtpd_client_connection_count_limit", "0", ""),
            ("smtpd_client_connection_rate_limit", "0", ""),
        ),
    )


def _proxy(door: str, back: str, entry: str, sessions: int) -> Wiring:
    return Wiring(
        "proxy",
        (("enable_long_queue_ids", "yes", "queue ids that are never used again name a mail for ever"),),
        (_reinjection(back, sessions, _CHECKED, "header checks see nothing before a proxy, so they are made here"),),
        (
            (entry, "smtpd_proxy_filter", door, "before the queue: one queue pass instead of two"),
            (entry, "smtpd_proxy_options", "speed_adjust", "the gateway is called when the mail is complete"),
            (entry, "smtpd_client_connection_count_limit", str(sessions), "one client cannot take every session"),
        ),
    )


def _milter(door: str) -> Wiring:
    address = f"unix:{door.removeprefix('unix:')}" if door.startswith("unix:") else f"inet:{door}"
    ours = f"{{ {address}, connect_timeout=5s, default_action=tempfail }}"
    return Wiring(
        "milter",
        (
            ("smtpd_milters", ours, "last in the list, so that the verdicts of the others are seen"),
            ("milter_protocol", "6", ""),
            ("enable_long_queue_ids", "yes", "queue ids that are never used again name a mail for ever"),
        ),
    )
