# SPDX-License-Identifier: Apache-2.0
"""Postfix's own tool for its own files: what stands in main.cf and master.cf, and how it is changed."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import Refused

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Wired:
    """A Postfix as it is set up: every parameter with its value, every service with its columns and `-o` options."""

    main: Mapping[str, str]
    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, service: str, name: str) -> str:
        """A parameter as one service has it."""
        return self.options.get(service, {}).get(name, self.main.get(name, ""))

    def processes(self, service: str) -> int:
        """How many processes a service may have; 0 = no limit."""
        most = self.services[service][6]
        return int(self.main.get("default_process_limit", "100") if most == "-" else most)


class Postconf:
    """One Postfix instance."""

    def __init__(self, config_dir: Path | None) -> None:
        program = shutil.which("postconf") or "/usr/sbin/postconf"
        if not Path(program).exists():
            raise Refused("not-found", "There is no Postfix on this machine (no postconf)")
        self._words = [program, *(["-c", str(config_dir)] if config_dir else [])]
        self.folder = config_dir or Path(self("-h", "config_directory"))

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise Refused("postconf", f"postconf {' '.join(words)}: {done.stderr.strip()[:300]}")
        return done.stdout.strip()

    def edit(self, kind: str, lines: Iterable[str]) -> None:
        """Make many changes of one kind (`-e`, `-X`, `-P` ...) at once, so that nobody reads half of them."""
        words = list(lines)
        if words:
            self(*kind.split(), *words)

    def set_in_file(self, name: str) -> str | None:
        """A parameter as main.cf sets it; None where it stands at its default."""
        line = self("-n", name)
        return line.partition("=")[2].strip() if "=" in line else None

    def service(self, key: str) -> str | None:
        """A master.cf entry as one text; None where there is none."""
        return self("-M", key) or None

    def option(self, key: str, name: str) -> str | None:
        line = self("-P", f"{key}/{name}")
        return line.partition("=")[2].strip() if "=" in line else None

    def read(self) -> Wired:
        """Everything, as it is now."""
        services = {}
        for line in self("-M").splitlines():
            if len(words := line.split()) >= 8:
                services[f"{words[0]}/{words[1]}"] = tuple(words)
        options: dict[str, dict[str, str]] = {}
        for place, value in _settings(self("-P")).items():
            service, _, name = place.rpartition("/")
            options.setdefault(service, {})[name] = value
        return Wired(_settings(self()), services, options)

    def reload(self) -> None:
        program = shutil.which("postfix") or "/usr/sbin/postfix"
        subprocess.run([program, "-c", str(self.folder), "reload"], capture_output=True, check=False)  # noqa: S603


def _settings(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def seconds(text: str) -> int:
    """Read a time as Postfix writes it, such as `600s` or `10m`."""
    match = re.fullmatch(r"(\d+)([smhdw]?)", text.strip())
    return int(match[1]) * _SECONDS[match[2]] if match else 0
