"""From text to types, over all values of a column: it is of a type only if each of its values is one of it.

Text is never changed into something that says less: "007" stays text, a number with more digits than a float
has stays exact, a date is one only in the ISO form. Words for null count as such where a column would have a
type without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..protocol import EdaError
from ..table import literal, quoted

if TYPE_CHECKING:
    import duckdb

#: Words that may stand for null; which of them do is found out.
NULL_WORDS = (
    *("NULL", "null", "Null", "(null)", "\\N", "NA", "N/A", "n/a", "#N/A", "<NA>"),
    *("None", "none", "nil", "missing", "-", "--", "?", "."),
)
#: Columns that are counted, and that are fetched, in one query.
GROUP, _MANY_AT_ONCE = 150, 2_500
#: Whole numbers beyond 64 bits are of the type that Parquet has for them.
TEXT, BIG = "VARCHAR", "DECIMAL(38,0)"
#: What people may choose.
CHOICES = ("VARCHAR", "BIGINT", "HUGEINT", "DOUBLE", "DECIMAL(18,3)", "BOOLEAN", "DATE", "TIME", "TIMESTAMP")
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}), ?(\d{1,2})\)")
_ALIASES = {
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "INT": "BIGINT",
    "HUGEINT": BIG,
    "FLOAT": "DOUBLE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
}
_INTEGER = r"\s*[+-]?(0|[1-9][0-9]*)\s*"
_NUMBER = r"\s*[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*"
_ANY_INTEGER = r"\s*[+-]?[0-9]+\s*"
_ANY_NUMBER = r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\s*"
_SPECIAL = r"\s*([+-]?(inf|infinity)|nan)\s*"
_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_ZONE = r" ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
#: More digits than a float keeps, of which those before the decimal sign alone are too many.
_MANY = r"\s*[+-]?[1-9][0-9]{16,}([.,][0-9]*)?\s*"

#: What values of types look like, by the decimal sign.
_LOOKS = {
    ("BOOLEAN", "."): re.compile("true|false", re.IGNORECASE),
    ("BIGINT", "."): re.compile(_INTEGER.replace("*)", "{0,18})")),
    (BIG, "."): re.compile(_INTEGER.replace("*)", "{0,37})")),
    ("DOUBLE", "."): re.compile(f"{_NUMBER}|{_SPECIAL}", re.IGNORECASE),
    ("DOUBLE", ","): re.compile(f"{_NUMBER.replace(chr(92) + '.', ',')}|{_SPECIAL}", re.IGNORECASE),
    ("DATE", "."): re.compile(_DAY),
    ("TIMESTAMP", "."): re.compile(f"{_DAY}([ T]{_CLOCK})?"),
    ("TIMESTAMP_NS", "."): re.compile(f"{_DAY}([ T]{_CLOCK.replace('{1,6}', '{1,9}')})?"),
    ("TIMESTAMPTZ", "."): re.compile(f"{_DAY}[ T]{_CLOCK}{_ZONE}"),
    ("TIME", "."): re.compile(_CLOCK),
}
#: Types in the order in which they are tried, and what may become of each when later values are others.
_ORDER = ("BOOLEAN", "BIGINT", BIG, "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ", "TIME")
_WORDS = {
    "BOOLEAN": "true or false",
    "BIGINT": "a whole number",
    BIG: "a whole number of at most 38 digits",
    "DOUBLE": "a number that a float can hold",
    "DATE": "a date such as 2024-12-31",
    "TIMESTAMP": "a time such as 2024-12-31 23:59:59",
    "TIMESTAMP_NS": "a time such as 2024-12-31 23:59:59",
    "TIMESTAMPTZ": "a time with a zone such as 2024-12-31T23:59:59Z",
    "TIME": "a time of day such as 23:59:59",
}


@dataclass(frozen=True)
class Text:
    """A column as it was read.

    :param physical: its name in the relation of texts.
    :param types: those that may be made of it, as far as the file itself says; () for any.
    """

    name: str
    physical: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Typed:
    """What became of a column.

    :param values: how many are not null.
    :param guessed: the type that the beginning promised, where it is another.
    :param bad: values that are none of the type that somebody has fixed.
    """

    text: Text
    type: str
    values: int = 0
    guessed: str = ""
    bad: int = 0


def choice(name: str, column: str) -> str:
    """Return a type that somebody chose; EdaError names the possible ones."""
    chosen = _ALIASES.get(name.strip().upper(), name.strip().upper())
    if match := _DECIMAL.fullmatch(chosen):
        digits, places = int(match[1]), int(match[2])
        if 1 <= digits <= 38 and places <= digits:
            return f"DECIMAL({digits},{places})"
    elif chosen in (*CHOICES, "TIMESTAMPTZ", "TIMESTAMP_NS"):
        return chosen
    raise EdaError(
        f"The type {name!r} of the column {column!r} is not one of {', '.join(CHOICES)}, "
        "TIMESTAMP WITH TIME ZONE.",
        field="reading.types",
    )


def cast(value: str, type_: str, decimal: str) -> str:
    """Return SQL of a text as a type, null where it is none."""
    if type_ == TEXT:
        return value
    if decimal == "," and (type_ == "DOUBLE" or type_.startswith("DECIMAL") and type_ != BIG):
        value = f"replace({value}, ',', '.')"
    return f"try_cast({value} as {type_})"


def fits(value: str, type_: str, decimal: str, *, chosen: bool = False) -> str:
    """Return SQL that tells whether a text is a value of a type and nothing of it would be lost.

    :param chosen: somebody wants the type: zeros in front and more digits than a float has are no matter.
    """
    made = f"{cast(value, type_, decimal)} is not null"
    if chosen and type_ not in (TEXT, "BOOLEAN") and not type_.startswith(("DATE", "TIME")):
        pattern = _chosen_pattern(type_).replace("[.]", f"[{decimal}]")
        special = f" or {_match(value, _SPECIAL, 'i')}" if type_ == "DOUBLE" else ""
        return f"{made} and ({_match(value, pattern)}{special})"
    return _fits_exactly(value, type_, decimal)


def _chosen_pattern(type_: str) -> str:
    if type_ in ("BIGINT", BIG):
        return _ANY_INTEGER
    if match := _DECIMAL.fullmatch(type_):
        return rf"\s*[+-]?[0-9]*([.][0-9]{{0,{match[2]}}}0*)?\s*"
    return _ANY_NUMBER


def _fits_exactly(value: str, type_: str, decimal: str) -> str:
    if type_ == TEXT:
        return "true"
    made = f"{cast(value, type_, decimal)} is not null"
    if type_ == "BOOLEAN":
        return f"lower({value}) in ('true', 'false')"
    if type_ in ("BIGINT", BIG):
        same = f"coalesce(try_cast({value} as {type_})::varchar = {value}, false)"
        return f"case when {same} then true else {made} and {_match(value, _INTEGER)} end"
    if type_ == "DOUBLE":
        pattern = _NUMBER if decimal == "." else _NUMBER.replace(r"\.", ",")
        numeric = f"{_match(value, pattern)} and not {_match(value, _MANY)}"
        return f"{made} and ({numeric} or {_match(value, _SPECIAL, 'i')})"
    pattern = {
        "DATE": _DAY,
        "TIME": _CLOCK,
        "TIMESTAMP": f"{_DAY}([ T]{_CLOCK})?",
        "TIMESTAMP_NS": f"{_DAY}([ T]{_CLOCK.replace('{1,6}', '{1,9}')})?",
        "TIMESTAMPTZ": f"{_DAY}[ T]{_CLOCK}{_ZONE}",
    }[type_]
    return f"{made} and {_match(value, pattern)}"


def _match(value: str, pattern: str, options: str = "") -> str:
    more = f", {literal(options)}" if options else ""
    return f"regexp_full_match({value}, {literal(pattern)}{more})"


class Types:
    """Finds the types of the columns of a relation of texts.

    :param nulls: the words that stand for null, where somebody has fixed them; None: they are found out.
    :param chosen: types that somebody has fixed, by name.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: str,
        *,
        beginning: str,
        decimal: str = ".",
        nulls: Sequence[str] | None = None,
        chosen: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = connection
        self._relation, self._beginning = relation, beginning
        self.decimal = decimal
        self._fixed = nulls is not None
        self.nulls = list(nulls if nulls is not None else [""])
        self._chosen = {name: choice(type_, name) for name, type_ in (chosen or {}).items()}

    def find(self, texts: Sequence[Text], *, trust: bool = False) -> list[Typed]:
        """Return the type of each column, and take note of the words for null that columns with types have.

        :param trust: what the beginning looks like is enough.
        """
        found: dict[str, Typed] = {}
        for group in _groups(texts, _MANY_AT_ONCE):
            found |= {each.text.physical: each for each in self._guesses(group)}
        for group in () if trust else _groups(texts, GROUP):
            self._verify(group, found)
        return [found[text.physical] for text in texts]

    def value(self, text: Text) -> str:
        """Return SQL of a column's text, null where it is a word for it."""
        name = quoted(text.physical)
        return f"case when {name} not in ({_list(self.nulls)}) then {name} end" if self.nulls else name

    def sql(self, typed: Typed) -> str:
        """Return SQL of a column in its type."""
        return f"{cast(self.value(typed.text), typed.type, self.decimal)} as {quoted(typed.text.name)}"

    def fits(self, typed: Typed) -> str:
        """Return SQL that tells whether a column's text is a value of its type."""
        chosen = typed.text.name in self._chosen
        return f"({fits(self.value(typed.text), typed.type, self.decimal, chosen=chosen)})"

    def _guesses(self, group: Sequence[Text]) -> Iterator[Typed]:
        """Yield the type of each column by the beginning, "" where that has no value."""
        names = ", ".join(quoted(text.physical) for text in group)
        rows = self._connection.execute(f"select {names} from {self._beginning}").fetchall()  # noqa: S608
        without = {None, *self.nulls}
        for text, values in zip(group, zip(*rows, strict=True) if rows else [()] * len(group), strict=True):
            known = set(values) - without
            words = known.intersection(self._words())
            type_ = self._chosen.get(text.name, "")
            if not type_ and known - words:
                type_ = _guess(known - words, text.types or _ORDER, self.decimal)
            if type_ not in ("", TEXT):
                self.nulls += sorted(words)
                without |= words
            yield Typed(text, type_, len(known))

    def _tried(self, group: Sequence[Text]) -> dict[str, tuple[str, int]]:
        """Return the first type that all values of a column are of, and how many values it has."""
        pairs = [(text, type_) for text in group for type_ in (text.types or _ORDER) if type_ != TEXT]
        found = {text.physical: (TEXT, 0) for text in group}
        for (text, type_), (values, words, others) in zip(pairs, self._counted(pairs), strict=True):
            chosen, _ = found[text.physical]
            if chosen == TEXT and values > words and not others:
                chosen = type_
            found[text.physical] = (chosen, values)
        return found

    def _verify(self, group: Sequence[Text], found: dict[str, Typed]) -> None:
        """Hold the guesses against all values."""
        unsure = [text for text in group if not found[text.physical].type]
        pairs = [(text, found[text.physical].type) for text in group if found[text.physical].type]
        for (text, type_), (values, words, others) in zip(pairs, self._counted(pairs), strict=True):
            if text.name in self._chosen:
                found[text.physical] = Typed(text, type_, values - words, bad=others)
            elif others:
                unsure.append(text)
            else:
                found[text.physical] = Typed(text, type_, values - words)
            if words:
                self._take_words(text)
        for name, (type_, values) in self._tried(unsure).items():
            found[name] = replace(found[name], type=type_, values=values, guessed=found[name].type)
            if type_ != TEXT:
                self._take_words(found[name].text)

    def _take_words(self, text: Text) -> None:
        """Take note of the words for null that a column with a type has."""
        name = quoted(text.physical)
        words = _list(self._words())
        if words:
            query = f"select distinct {name} from {self._relation} where {name} in ({words})"  # noqa: S608
            self.nulls += sorted(word for (word,) in self._connection.execute(query).fetchall())

    def _words(self) -> Sequence[str]:
        return () if self._fixed else [word for word in NULL_WORDS if word not in self.nulls]

    def _counted(self, pairs: Sequence[tuple[Text, str]]) -> list[tuple[int, int, int]]:
        """Return, for columns and types, how many values, words for null and others there are."""
        counted = [(values, 0, others) for values, others in self._others(pairs, words=())]
        if words := self._words():
            places = [place for place, (_, _, others) in enumerate(counted) if others]
            again = self._others([pairs[place] for place in places], words=words)
            for place, (_, others) in zip(places, again, strict=True):
                values, _, before = counted[place]
                counted[place] = (values, before - others, others)
        return counted

    def _others(self, pairs: Sequence[tuple[Text, str]], *, words: Sequence[str]) -> list[tuple[int, int]]:
        """Return the numbers of values, and of those that are neither of the type nor one of the words."""
        found: list[int] = []
        for at in range(0, len(pairs), GROUP):
            group = pairs[at : at + GROUP]
            names = {text.physical: f"v{place}" for place, (text, _) in enumerate(group)}
            inner = {names[text.physical]: self.value(text) for text, _ in group}
            parts = []
            for text, type_ in group:
                value = names[text.physical]
                word = f" and {value} not in ({_list(words)})" if words else ""
                fitting = fits(value, type_, self.decimal, chosen=text.name in self._chosen)
                wrong = f"{value} is not null{word} and not ({fitting})"
                parts.append(f"count({value})")
                parts.append("0" if type_ == TEXT else f"count(*) filter (where {wrong})")
            columns = ", ".join(f"{sql} as {name}" for name, sql in inner.items())
            query = f"select {', '.join(parts)} from (select {columns} from {self._relation})"  # noqa: S608
            found.extend(self._connection.execute(query).fetchall()[0])
        return list(zip(found[::2], found[1::2], strict=True))


def _guess(values: set[str], possible: Sequence[str], decimal: str) -> str:
    """Return the first type that all values look like."""
    for type_ in possible:
        pattern = _LOOKS.get((type_, decimal)) or _LOOKS.get((type_, "."))
        if pattern is not None and all(map(pattern.fullmatch, values)):
            return type_
    return TEXT


def told(typed: Typed) -> str:
    """Return the sentence about a column that is not of the type that its beginning promised."""
    was = _WORDS.get(typed.guessed, typed.guessed)
    now = "as text" if typed.type == TEXT else f"as {typed.type}"
    name = typed.text.name
    return f"Not every value of the column {name!r} is {was}, as the first rows are: it is read {now}."


def _groups(texts: Sequence[Text], size: int) -> Iterator[Sequence[Text]]:
    for at in range(0, len(texts), size):
        yield texts[at : at + size]


def _list(words: Sequence[str]) -> str:
    return ", ".join(literal(word) for word in words)
