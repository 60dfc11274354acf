# SPDX-License-Identifier: Apache-2.0
"""Brings the message catalogues up to date with the code: `make messages`, or with `--check` only says what is wrong.

New messages are added untranslated, messages that nothing says any more are removed, translations stay. What is a
message is found in the code: what stands in `mark`, `mark_plural` and in `words.say`, `words.label`, `words.count`,
`words.context` and `words.choose` (see `gateway/imip/words.py`).
"""

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "gateway" / "imip" / "locale"
SOURCES = ("gateway/imip", "gateway/http", "gateway/flows")
_PLACE = re.compile(r"\{(\w+)\}")


def extract() -> Catalog:
    """Return every message that the code can say."""
    catalog = Catalog(project="imip-gateway", charset="utf-8")
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    _add(catalog, node)
    return catalog


def _add(catalog: Catalog, call: ast.Call) -> None:
    function = call.func
    if isinstance(function, ast.Attribute) and _is_words(function.value):
        name = function.attr
    elif isinstance(function, ast.Name) and function.id in ("mark", "mark_plural"):
        name = function.id
    else:
        return
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if name in ("mark", "say", "label") and texts:
        catalog.add(texts[0])
    elif name in ("count", "mark_plural") and len(texts) == 2:
        catalog.add((texts[0], texts[1]))
    elif name == "context" and len(texts) == 2:
        catalog.add(texts[1], context=texts[0])
    elif name == "choose" and texts:
        catalog.add(texts[0], context=_context(call))


def _is_words(node: ast.expr) -> bool:
    """Tell whether an expression is a value of `Words`: by our custom it is called that, alone or as a field."""
    return (node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else "") == "words"


def _context(call: ast.Call) -> str | None:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "context"]
    return next((value.value for value in values if isinstance(value, ast.Constant)), None)


def read(path: Path) -> Catalog:
    """Return a catalogue as it stands in its file."""
    return read_po(io.BytesIO(path.read_bytes()), locale=path.parts[-3])


def catalogues() -> list[Path]:
    """Return the file of every language."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/messages.po"))


def faults(path: Path, source: Catalog) -> Iterator[str]:
    """Yield what is wrong with one catalogue, one sentence each."""
    own = read(path)
    wanted = {(message.id, message.context): message for message in source if message.id}
    have = {(message.id, message.context): message for message in own if message.id}
    for key in wanted.keys() - have.keys():
        yield f"{path.parts[-3]}: missing: {key[0]!r}"
    for key in have.keys() - wanted.keys():
        yield f"{path.parts[-3]}: stale: {key[0]!r}"
    if own.plural_expr != get_plural(path.parts[-3]).plural_expr:
        yield f"{path.parts[-3]}: Plural-Forms is not the language's"
    if own.obsolete:
        yield f"{path.parts[-3]}: holds obsolete messages"
    for key in wanted.keys() & have.keys():
        yield from (f"{path.parts[-3]}: {fault}: {key[0]!r}" for fault in _message_faults(have[key]))


def _message_faults(message: Message) -> Iterator[str]:
    ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    if message.fuzzy:
        yield "marked as fuzzy"
    needed = set(_PLACE.findall(ids[-1]))
    for text in texts:
        if not text:
            yield "not translated"
        elif not needed - {"number"} <= set(_PLACE.findall(text)) <= needed:
            yield f"places differ in {text!r}"
        elif "number" in needed and len(ids) == 1 and "{number}" not in text:
            yield f"no {{number}} in {text!r}"
        elif _PLACE.sub("", text).count("{") or _PLACE.sub("", text).count("}"):
            yield f"stray braces in {text!r}"


def update(path: Path, source: Catalog) -> None:
    """Write a catalogue anew: the code's messages, its own translations."""
    own = read(path)
    fresh = Catalog(locale=path.parts[-3], project="imip-gateway", charset="utf-8", fuzzy=False)
    fresh.header_comment = "# Messages of imip-gateway. How to translate: gateway/imip/locale/README.md\n# Apache-2.0"
    for message in source:
        if message.id:
            old = own.get(message.id, message.context)
            fresh.add(message.id, old.string if old else "", context=message.context)
    written = io.BytesIO()
    write_po(written, fresh, width=0, no_location=True, omit_header=False, sort_output=True, ignore_obsolete=True)
    text = written.getvalue().decode("utf-8")
    path.write_text(re.sub(r'^"(?:POT-Creation|PO-Revision)-Date: .*\n', "", text, flags=re.MULTILINE), "utf-8")


def main() -> int:
    source = extract()
    if "--check" not in sys.argv[1:]:
        for path in catalogues():
            update(path, source)
    found = [fault for path in catalogues() for fault in faults(path, source)]
    print("\n".join(found) or f"{len(catalogues())} languages, {len(source)} messages, nothing missing")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
