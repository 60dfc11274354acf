# SPDX-License-Identifier: Apache-2.0
"""Calendars that were read lately: one answer asks for the same text half a dozen times, and so does the next one.

A tree never changes, so everybody may have the same. What is kept is bounded by its text, the oldest goes first.
"""

import threading
from collections import OrderedDict

from gateway.itip.tree import Component, parse_tree

MAX_CHARACTERS = 4_000_000


class Trees:
    """Text to tree, for as many characters of text as are worth their memory. Used from several threads."""

    def __init__(self, max_characters: int = MAX_CHARACTERS) -> None:
        self._known: OrderedDict[str, Component] = OrderedDict()
        self._room = max_characters
        self._lock = threading.Lock()

    def read(self, text: str) -> Component:
        """Return the tree of a stored text.

        Raises:
            Refused: `bad-calendar`.
        """
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
                return found
        return self.keep(text, parse_tree(text))

    def keep(self, text: str, tree: Component) -> Component:
        """Remember the tree of a text, and return it."""
        with self._lock:
            if text not in self._known:
                self._known[text] = tree
                self._room -= len(text)
            while self._room < 0:
                oldest, _ = self._known.popitem(last=False)
                self._room += len(oldest)
        return tree
