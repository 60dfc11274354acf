# SPDX-License-Identifier: Apache-2.0
"""The annotated sample file and the list of effective values, both made from the declared options."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from gateway.config.load import LoadedConfig
from gateway.config.options import DEFAULT_LISTENERS, Config
from policies.describe import OptionDoc, TableDoc, describe, values_of
from policies.options import DEFAULT

WIDTH = 110
HEAD = """\
# Configuration of imip-gateway. A line that begins with # and a key shows the default; remove the # to change it.
# Durations are written 30s, 36h30m, 90d; sizes 512KiB, 10MB. Faults are all reported at start, each with its line:
# try `imip-gateway --config FILE config show`. Every key can also come from the environment, which wins:
# IMIP_GATEWAY_RELAY__URL is [relay] url.
"""


def build_sample() -> str:
    """Return the sample; as it stands, and with every default made active, it equals the built-in defaults."""
    return HEAD + "".join(f"\n{block}" for table in describe(Config) for block in _blocks(table))


def _blocks(table: TableDoc) -> Iterator[str]:
    if not table.array:
        lines = [f"[{table.path}]{_comment(table.help)}"]
        lines += [line for option in table.options for line in _option_lines(option)]
        yield "\n".join(lines) + "\n"
        return
    # The doors: what each key means once, then the two that are there by default.
    lines = [f"# [[{table.path}]]: {table.help} Keys of each:"]
    for option in table.options:
        lines += textwrap.wrap(
            f"{option.name}: {_said(option)}", WIDTH, initial_indent="#   ", subsequent_indent="#     "
        )
    for listener in DEFAULT_LISTENERS:
        lines += [f"[[{table.path}]]", f'kind = "{listener.kind}"', f'listen = "{listener.listen}"']
    yield "\n".join(lines) + "\n"


def _comment(help: str) -> str:
    return f"  # {help}" if help else ""


def _option_lines(option: OptionDoc) -> Iterator[str]:
    yield from textwrap.wrap(_said(option), WIDTH, initial_indent="# ", subsequent_indent="# ")
    if option.default:
        yield f"#{option.name} = {option.default}"
    elif option.example:
        yield f"# {option.name} = {option.example}"


def _said(option: OptionDoc) -> str:
    words = [option.help]
    if "|" in option.kind and option.kind != "true | false":
        words.append(f"One of {option.kind.replace(' | ', ', ')}.")
    if option.bounds:
        words.append(option.bounds[0].upper() + option.bounds[1:] + ".")
    if option.derived:
        words.append(f"Default: {option.derived}.")
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One key as it is in force: its TOML text (empty where absent) and where it came from."""

    key: str
    value: str
    origin: str


def effective_values(loaded: LoadedConfig) -> Iterator[EffectiveValue]:
    """Yield every option in force; a password in the database's URL is not shown."""
    for key, value in values_of(loaded.config):
        shown = _without_password(value) if key == "store.url" else value
        yield EffectiveValue(key, shown, loaded.origins.get(key, DEFAULT))


def _without_password(text: str) -> str:
    parts = urlsplit(text.strip('"'))
    if not parts.password:
        return text
    netloc = parts.netloc.replace(f":{parts.password}@", ":...@")
    return f'"{urlunsplit(parts._replace(netloc=netloc))}"'
