# SPDX-License-Identifier: Apache-2.0
"""A private Dovecot on loopback: LMTP in, IMAP out, and the auth socket that Postfix and our submission door ask."""

import contextlib
import imaplib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.postfix import free_port, wait_for

PASSWORD = "secret"

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
"""


def installed() -> bool:
    """Whether a Dovecot can be started here: installed with IMAP and LMTP, and we are root."""
    programs = ("/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/lmtp")
    return all(Path(program).exists() for program in programs) and os.getuid() == 0


@dataclass
class Dovecot:
    """A running instance. Everybody has a mailbox, and everybody's password is `PASSWORD`."""

    folder: Path
    imap: int
    lmtp: int

    @property
    def auth(self) -> Path:
        return self.folder / "run" / "auth-client"

    def mails(self, user: str) -> list[bytes]:
        """Every mail in the inbox as IMAP gives it out, the oldest first."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as imap:
            imap.login(user, PASSWORD)
            imap.select("INBOX", readonly=True)
            _, (numbers,) = imap.search(None, "ALL")
            return [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers.split()]


@contextlib.contextmanager
def private_dovecot() -> Iterator[Dovecot]:
    """Run an instance."""
    folder = Path(tempfile.mkdtemp(prefix="gw-dovecot-"))
    folder.chmod(0o755)
    for name in ("run", "state", "mail"):
        (folder / name).mkdir()
    shutil.chown(folder / "mail", "dovecot", "dovecot")
    instance = Dovecot(folder, free_port(), free_port())
    text = _CONFIG.format(folder=folder, imap=instance.imap, lmtp=instance.lmtp, password=PASSWORD)
    (folder / "dovecot.conf").write_text(text)
    words = ["/usr/sbin/dovecot", "-F", "-c", str(folder / "dovecot.conf")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(instance.lmtp, b"220")
        wait_for(instance.imap, b"* OK")
        yield instance
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
