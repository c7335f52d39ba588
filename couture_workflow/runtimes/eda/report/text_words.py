"""What the texts of a sample are made of: words, characters and the categories that Unicode has them in."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: Characters that are looked at in one column.
_LOOKED_AT = 2_000_000
_MOST = 10
_STRIPPED = string.punctuation + string.whitespace
_CATEGORIES = {
    "L": "Letter",
    "M": "Mark",
    "N": "Number",
    "P": "Punctuation",
    "S": "Symbol",
    "Z": "Separator",
    "C": "Other",
}


@dataclass(frozen=True)
class Words:
    """The most frequent words, characters and categories, each with its count.

    :param values: of how many values they are.
    """

    values: int
    words: tuple[tuple[str, int], ...]
    word_count: int
    characters: tuple[tuple[str, int], ...]
    character_count: int
    categories: tuple[tuple[str, int], ...]


def of(texts: Sequence[str | None]) -> Words:
    """Count the words and characters of some texts."""
    chosen, size = [], 0
    for text in texts:
        if text is None:
            continue
        size += len(text)
        if size > _LOOKED_AT:
            break
        chosen.append(text)
    words: Counter[str] = Counter()
    for text, count in Counter(chosen).items():
        for word in text.lower().split():
            words[word.strip(_STRIPPED)] += count
    words.pop("", None)
    characters = Counter("".join(chosen))
    categories: Counter[str] = Counter()
    for character, count in characters.items():
        categories[_CATEGORIES[unicodedata.category(character)[0]]] += count
    return Words(
        len(chosen),
        tuple(words.most_common(_MOST)),
        words.total(),
        tuple((_named(character), count) for character, count in characters.most_common(_MOST)),
        characters.total(),
        tuple(categories.most_common()),
    )


def _named(character: str) -> str:
    if character.isprintable() and not character.isspace():
        return character
    return unicodedata.name(character, f"U+{ord(character):04X}").lower()
