# SPDX-License-Identifier: Apache-2.0
"""`postfix show | apply | check | undo` on configuration folders of their own, through Postfix's real postconf."""

import json
import shutil
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.postconf import Postconf
from tests.conftest import missing

CONFIG = """
[gateway]
hostname = "mail.example.org"
data_dir = "{folder}/data"
[authn]
trusted_authserv_ids = ["mx.example.org"]
received_above_authres = 1
[[listener]]
kind = "lmtp"
listen = "127.0.0.1:10025"
[[listener]]
kind = "filter"
listen = "127.0.0.1:10024"
[[listener]]
kind = "milter"
listen = "127.0.0.1:10023"
"""
MASTER = """\
# our border
smtp      inet  n       -       n       -       -       smtpd
# the rest
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
"""
MAIN = "# as it was installed\ncompatibility_level = 3.6\nsmtpd_milters = inet:127.0.0.1:8891\n"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    if shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        missing("Postfix")
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "main.cf").write_text(MAIN)
    (folder / "master.cf").write_text(MASTER)
    (tmp_path / "gateway.toml").write_text(CONFIG.format(folder=tmp_path))
    return folder


def run(etc: Path, *words: str) -> int:
    return main(["--config", str(etc.parent / "gateway.toml"), "postfix", *words])


def without_milters(etc: Path) -> None:
    """Before a proxy milters see nothing, so that way is not for such a Postfix."""
    (etc / "main.cf").write_text(MAIN.replace("smtpd_milters", "#smtpd_milters"))


def apply(etc: Path, mode: str) -> None:
    assert run(etc, "apply", "--mode", mode, "--config-dir", str(etc), "--no-reload") == 0


def check(etc: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    run(etc, "check", "--config-dir", str(etc), "--json")
    checks: list[dict[str, str]] = json.loads(capsys.readouterr().out)["checks"]
    return checks


def files(etc: Path) -> tuple[str, str]:
    return (etc / "main.cf").read_text(), (etc / "master.cf").read_text()


@pytest.mark.parametrize("mode", ["lmtp", "filter", "proxy", "milter"])
def test_apply_again_changes_nothing_and_undo_leaves_every_octet_as_it_was(etc: Path, mode: str) -> None:
    if mode == "proxy":
        without_milters(etc)
    before = files(etc)
    apply(etc, mode)
    once = files(etc)
    apply(etc, mode)
    assert files(etc) == once != before
    assert run(etc, "undo", "--config-dir", str(etc), "--no-reload") == 0
    assert files(etc) == before
    assert sorted(path.name for path in etc.iterdir()) == ["main.cf", "master.cf"]


def test_another_way_takes_the_place_of_the_first(etc: Path) -> None:
    without_milters(etc)
    apply(etc, "proxy")
    Postconf(etc)("-e", "smtpd_milters=inet:127.0.0.1:8891")
    for mode in ("lmtp", "milter"):
        apply(etc, mode)
    wired = Postconf(etc).read()
    assert wired.main["content_filter"] == ""
    assert wired.main["smtpd_milters"].startswith("inet:127.0.0.1:8891, {")
    assert "smtpd_proxy_filter" not in str(wired.options)
    assert not any("10026" in key for key in wired.services)


def test_undo_keeps_what_somebody_changed_in_the_meantime(etc: Path) -> None:
    apply(etc, "lmtp")
    Postconf(etc)("-e", "mail_name=Ours")
    assert run(etc, "undo", "--config-dir", str(etc), "--no-reload") == 0
    wired = Postconf(etc).read()
    assert (wired.main["mail_name"], wired.main["content_filter"]) == ("Ours", "")
    assert "imip-gateway/unix" not in wired.services


def test_undo_without_apply_says_so(etc: Path) -> None:
    assert run(etc, "undo", "--config-dir", str(etc), "--no-reload") != 0


def test_what_show_prints_may_be_pasted(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, "show", "--mode", "lmtp") == 0
    main_cf, _, master_cf = capsys.readouterr().out.partition("# master.cf\n")
    (etc / "main.cf").write_text(MAIN + main_cf)
    (etc / "master.cf").write_text(MASTER + master_cf)
    assert [each["state"] for each in check(etc, capsys)] == ["ok"]


@pytest.mark.parametrize("mode", ["lmtp", "filter", "proxy", "milter"])
def test_what_apply_made_is_in_order(etc: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    if mode == "proxy":
        without_milters(etc)
    apply(etc, mode)
    assert [each["state"] for each in check(etc, capsys)] == ["ok"]


def test_a_postfix_that_does_not_know_us(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no mail is handed to us" in str(check(etc, capsys))


def test_a_proxy_is_not_for_a_postfix_whose_milters_would_see_nothing(
    etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Postfix's own limitation: neither header nor body reaches a milter before a proxy (MILTER_README)."""
    before = files(etc)
    assert run(etc, "apply", "--mode", "proxy", "--config-dir", str(etc), "--no-reload") != 0
    assert files(etc) == before
    without_milters(etc)
    apply(etc, "milter")
    apply(etc, "proxy")  # ours goes with that
    Postconf(etc)("-e", "smtpd_milters=inet:127.0.0.1:8891")
    [fault] = [each for each in check(etc, capsys) if each["state"] == "fault"]
    assert "neither header nor body" in fault["found"]


def test_header_checks_are_made_once_in_every_mode(etc: Path) -> None:
    """Before a proxy none are made, so they are made behind it; after the queue they were made before."""
    without_milters(etc)
    for mode, made in (("proxy", True), ("lmtp", False), ("filter", False)):
        apply(etc, mode)
        overrides = Postconf(etc).read().of("127.0.0.1:10026/inet", "receive_override_options")
        assert ("no_header_body_checks" not in overrides) == made


def test_a_filter_that_was_there_is_named(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Postconf(etc)("-e", "content_filter=amavis:[127.0.0.1]:10024")
    for _ in range(2):
        capsys.readouterr()
        apply(etc, "lmtp")
        assert "content_filter was amavis:[127.0.0.1]:10024" in capsys.readouterr().out


def test_the_way_of_some_mail_only(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A FILTER line of header checks in place of content_filter: aliases are expanded before, so not behind."""
    apply(etc, "lmtp")
    Postconf(etc)("-e", "content_filter=", "receive_override_options=", "mime_header_checks=regexp:/etc/x")
    [doubled] = [each for each in check(etc, capsys) if each["state"] == "fault"]
    assert "mail is doubled" in doubled["found"]
    Postconf(etc)("-P", f"{BACK}/{doubled['mend'].partition('-o ')[2].partition(' for ')[0]}")
    assert [each["state"] for each in check(etc, capsys)] == ["hint"]


BACK, OUT = "127.0.0.1:10026/inet", "imip-gateway/unix"
MISTAKES = {
    "a loop": ("-P", f"{BACK}/content_filter=imip-gateway:[127.0.0.1]:10025", "loop"),
    "a loop through header checks": ("-P", f"{BACK}/receive_override_options=no_milters", "FILTER line"),
    "folding": ("-P", f"{OUT}/lmtp_line_length_limit=998", "folded"),
    "addresses rewritten": ("-P", f"{OUT}/lmtp_generic_maps=hash:/etc/x", "rewrites mail"),
    "no XFORWARD": ("-P", f"{OUT}/lmtp_send_xforward_command=no", "not told the client"),
    "a limit without effect": ("-P", f"{OUT}/imip-gateway_destination_recipient_limit=1", "no effect"),
    "impatience": ("-P", f"{OUT}/lmtp_data_done_timeout=2m", "delivered twice"),
    "mapped twice": ("-e", "receive_override_options=", "mail is doubled"),
    "mapped never": ("-P", f"{BACK}/receive_override_options=no_address_mappings,no_header_body_checks", "neither"),
    "completed headers": ("-P", f"{BACK}/local_header_rewrite_clients=permit_inet_interfaces", "strangers' mail"),
    "too few to take back": ("-F", f"{BACK}/process_limit=2", "2 processes"),
    "more sessions than the door takes": ("-e", "imip-gateway_destination_concurrency_limit=500", "the door takes 200"),
    "larger mail than we take": ("-e", "message_size_limit=100000000", "would bounce"),
    "a door that is not there": ("-e", "content_filter=imip-gateway:[127.0.0.1]:10099", "none of our doors"),
    "the wrong kind of door": ("-e", "content_filter=imip-gateway:[127.0.0.1]:10024", "another kind"),
    "nobody takes mail back": ("-M#", BACK, "where we bring mail back"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(etc: Path, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    apply(etc, "lmtp")
    Postconf(etc)("-e", "mime_header_checks=regexp:/etc/x")
    *words, told = MISTAKES[mistake]
    Postconf(etc)(*words)
    faults = [each for each in check(etc, capsys) if each["state"] == "fault"]
    assert faults
    assert all(told in fault["found"] for fault in faults)
    assert all(fault["mend"] for fault in faults)


def test_a_way_back_over_ipv6(etc: Path) -> None:
    file = etc.parent / "gateway.toml"
    file.write_text(f'{file.read_text()}[relay]\nurl = "smtp://[::1]:10026"\n')
    apply(etc, "lmtp")
    assert "[::1]:10026/inet" in Postconf(etc).read().services


def test_sockets_instead_of_ports(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way back is a service of Postfix's `public` folder; anywhere else it would not listen."""
    spool = etc.parent / "spool"
    file = etc.parent / "gateway.toml"
    text = file.read_text().replace("127.0.0.1:10025", "unix:/run/door")
    file.write_text(f'{text}[relay]\nurl = "smtp:unix:{spool}/public/imip-gateway-back"\n')
    Postconf(etc)("-e", f"queue_directory={spool}")
    apply(etc, "lmtp")
    wired = Postconf(etc).read()
    assert wired.main["content_filter"] == "imip-gateway:unix:/run/door"
    assert wired.services["imip-gateway-back/unix"][2] == "n"
    assert wired.of("imip-gateway-back/unix", "content_filter") == ""
    assert not [each for each in check(etc, capsys) if each["state"] == "fault"]
    Postconf(etc)("-F", "imip-gateway-back/unix/private=y")
    assert "where we bring mail back" in str(check(etc, capsys))
    file.write_text(file.read_text().replace("/public/", "/private/"))
    assert run(etc, "show", "--mode", "lmtp") == 78
    assert "folder `public`" in capsys.readouterr().err


def test_a_way_back_that_is_open_to_all(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apply(etc, "lmtp")
    text = (etc / "master.cf").read_text().replace("127.0.0.1:10026", "10026")
    (etc / "master.cf").write_text(text)
    assert "listens to everybody" in str(check(etc, capsys))


def test_another_milter_after_ours(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apply(etc, "milter")
    now = Postconf(etc).read().main["smtpd_milters"]
    Postconf(etc)("-e", f"smtpd_milters={now}, inet:127.0.0.1:8893")
    assert "inet:127.0.0.1:8893 sees mail after us" in str(check(etc, capsys))
