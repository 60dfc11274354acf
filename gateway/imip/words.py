# SPDX-License-Identifier: Apache-2.0
"""The words of one language: our gettext catalogues, CLDR's dates and lists, and the direction of writing.

Catalogues lie beside this module as `locale/LANG/LC_MESSAGES/messages.po` and are read at first use. Messages are
whole sentences with named places (`{person}`); what goes into a place is never read as a pattern. How to add a
message or a language: `gateway/imip/locale/README.md`.
"""

import io
import re
from copy import deepcopy
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel import Locale, UnknownLocaleError, localedata
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

#: The source language and every catalogue we ship; a test holds this against the folder.
SOURCE = "en"
LANGUAGES: tuple[str, ...] = (
    "ar", "ca", "cs", "da", "de", "el", "es", "fi", "fr", "he", "it", "ja", "ko", "nb", "nl", "pl", "pt", "ru", "sv",
    "tr", "uk", "zh",
)  # fmt: skip

#: Spellings of a language that CLDR or we file under another name.
_ALIASES = {"iw": "he", "no": "nb", "nn": "nb", "in": "id"}
#: What separates words that are not joined by "and", where it is not ", ".
COMMAS = {"ar": "، ", "ja": "、", "zh": "，"}
#: What stands between a label and what it says.
COLONS = {"fr": "\xa0: ", "ja": "：", "zh": "："}
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")


class Words:
    """What one language says. `tag` is its BCP 47 name, `direction` is `ltr` or `rtl`."""

    def __init__(self, locale: Locale, catalogue: NullTranslations) -> None:
        self.locale = locale
        self.tag = str(locale).replace("_", "-")
        self.direction = "rtl" if locale.text_direction == "rtl" else "ltr"
        self.comma = COMMAS.get(locale.language, ", ")
        self.colon = COLONS.get(locale.language, ": ")
        self._catalogue = catalogue

    def say(self, message: str, /, **values: object) -> str:
        """Return a sentence for a body; what is put in it keeps its own direction of writing (Unicode UAX 9)."""
        return self._catalogue.gettext(message).format(**{name: self.isolated(str(v)) for name, v in values.items()})

    def label(self, message: str, /, **values: object) -> str:
        """Return a text for a header, where invisible characters do not belong."""
        return self._catalogue.gettext(message).format(**values)

    def context(self, context: str, message: str, /) -> str:
        """Return a message that has different words in different places."""
        return self._catalogue.pgettext(context, message)

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return a sentence that counts, in the plural that the language wants for `number`."""
        return self._catalogue.ngettext(one, many, number).format(number=number, **values)

    def choose(self, message: str, gender: int, /, *, context: str = "", **values: object) -> str:
        """Return a message in which `[a|b|c]` stands for the form of one grammatical gender (0, 1, 2)."""
        text = self._catalogue.pgettext(context, message) if context else self._catalogue.gettext(message)
        return _CHOICE.sub(lambda found: _nth(found[1].split("|"), gender), text).format(**values)

    def list(self, items: list[str]) -> str:
        """Return items as the language enumerates them."""
        return format_list(items, locale=self.locale)

    def isolated(self, text: str) -> str:
        """Wrap text in FSI and PDI where its direction of writing differs from the sentence around it."""
        foreign = bool(_RIGHT_TO_LEFT.search(text)) != (self.direction == "rtl")
        return f"\u2068{text}\u2069" if foreign and not text.isdigit() else text


def mark(message: str) -> str:
    """Name a message in a table, so that it is found for the catalogues; it is translated where it is used."""
    return message


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Name a message that counts in a table; it is translated with `Words.count` where it is used."""
    return one, many


@lru_cache(maxsize=256)
def load_words(tag: str) -> Words:
    """Return the words of the nearest language we have to `tag` (`de-AT`, `pt_BR.UTF-8`); English for nonsense."""
    locale = _parse_locale(tag)
    for name in (str(locale), f"{locale.language}_{locale.script}", locale.language):
        if name in LANGUAGES:
            return Words(locale, _load_catalogue(name))
    known = locale if locale.language == SOURCE else Locale.parse(SOURCE)
    return Words(known, NullTranslations())


def _parse_locale(tag: str) -> Locale:
    """Return CLDR's locale for a tag, with data of its own.

    Babel keeps what it resolves for one language in data that all languages share, so that Korean shows Japanese
    months once Japanese was used (its issue 1234); a private copy per language keeps them apart.
    """
    locale = _nearest_locale(tag)
    shared = localedata.load(str(locale))
    own = deepcopy(shared)
    shared.clear()
    shared.update(own)
    return locale


def _nearest_locale(tag: str) -> Locale:
    found = _TAG.match(tag.strip())
    if found is None:
        return Locale.parse(SOURCE)
    language, *rest = re.split("[-_]", found[0])
    language = _ALIASES.get(language.lower(), language.lower())
    for size in range(len(rest), -1, -1):
        try:
            return Locale.parse("_".join([language, *rest[:size]]))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(SOURCE)


@lru_cache(maxsize=64)
def _load_catalogue(name: str) -> NullTranslations:
    source = files("gateway.imip").joinpath("locale", name, "LC_MESSAGES", "messages.po")
    if not source.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=name))
    compiled.seek(0)
    return GNUTranslations(compiled)


def _nth(forms: list[str], index: int) -> str:
    return forms[min(index, len(forms) - 1)]
