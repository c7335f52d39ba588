"""How a CSV file is written, by its beginning: what separates and quotes, where the header is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..protocol import EdaError
from .csv_records import Bad, Records, lines

_DELIMITERS = (",", ";", "\t", "|", "\x01")
_QUOTES = ('"', "'")
#: Characters that are enough to look at where there are a few records.
_ENOUGH, _FEW = 1024 * 1024, 5
#: Records that are looked at; characters of a name; columns.
_RECORDS, _LONGEST_NAME, MOST_COLUMNS = 400, 300, 20_000
#: Two ways to read a file come close if neither has so many times the other's score.
_CLOSE = 1.05
#: The score of a delimiter that separates nothing, which is less than that of any other.
_LEAST = 1e-6
#: Share of the records that are read well with quotes, by which the quotes are known to be some.
_MOSTLY = 0.5
#: Lines above the header that may be a title.
_TITLE = 50
_TYPED = re.compile(
    r"\s*(?:[+-]?(?:\d[\d.,' ]*|\.\d+)(?:[eE][+-]?\d+)?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?|true|false|nan|null|[+-]?inf(?:inity)?)\s*",
    re.IGNORECASE,
)
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_DECIMAL = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. ']\d{3})+),\d+\s?[%€]?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_SMALL = re.compile(r"[+-]?[1-9]\d{0,2}")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_POINT = re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    :param quote: "" for none.
    :param escape: what stands before a quote inside of quotes: the quote itself, or another character.
    :param skip: lines above the header, or above the first row where there is none.
    :param top: lines above the first row, with the header.
    :param names: of the columns, no two the same for DuckDB.
    :param pad: rows may have fewer values than there are names.
    :param decimal: "," or ".".
    :param spaced: there are spaces between delimiters and quotes.
    """

    delimiter: str
    quote: str
    escape: str
    header: bool
    skip: int
    top: int
    names: tuple[str, ...]
    pad: bool
    decimal: str
    spaced: bool = False


def detect(text: bytes, reading: Mapping[str, Any], *, tabs: bool = False) -> Dialect:
    """Return how a file is written.

    :param text: its beginning in UTF-8, of whole lines.
    :param reading: what somebody has fixed; it is taken as it is.
    :param tabs: the file says of itself that tabs separate its values.
    """
    fixed = _checked(reading)
    delimiter, quote = _separation(text, fixed, tabs=tabs)
    escape = fixed.get("escape", _escape(text, quote))
    found = _records(text, delimiter, quote, escape, skip=fixed.get("skip", 0))
    records = [(line, record) for line, record in found if record]
    usual = _usual([record for _, record in records])
    first = _first(records, usual) if "skip" not in fixed else 0
    skip = records[first][0] - 1 if records and "skip" not in fixed else fixed.get("skip", 0)
    body = [record for _, record in records[first:]]
    header = fixed.get("header", _has_header(body))
    if "skip" not in fixed and not first and not header:
        # Rows that cannot be read are told, also those above the first one that can.
        skip = min([skip, *(line - 1 for line, record in found if record is None)])
    top = skip
    if header and body:
        top = (
            records[first + 1][0] - 1
            if len(records) > first + 1
            else text.count(b"\n") + text.count(b"\r") + 1
        )
        usual = _usual(body[1:]) or len(body[0])
    names = _names(body[0] if header and body else [], usual)
    if len(names) > MOST_COLUMNS:
        raise EdaError(
            f"The file has {len(names):,} columns; at most {MOST_COLUMNS:,} are read. Look whether "
            f"the delimiter {delimiter!r} is right, or split the file.",
            code="too_large",
            field="reading.delimiter",
        )
    decimal = fixed.get("decimal", _decimal(body[1 if header else 0 :], delimiter))
    return Dialect(
        delimiter,
        quote,
        escape,
        header,
        skip,
        top,
        names,
        len(names) > usual,
        decimal,
        _spaced(text, delimiter, quote),
    )


def _checked(reading: Mapping[str, Any]) -> dict[str, Any]:
    fixed = {key: value for key, value in reading.items() if value is not None}
    delimiter = fixed.get("delimiter")
    if delimiter == "\\t":
        fixed["delimiter"] = delimiter = "\t"
    if delimiter is not None and (len(str(delimiter)) != 1 or delimiter in '"\r\n\0'):
        raise EdaError(
            "A delimiter is one character, not a quote or a line's end.", field="reading.delimiter"
        )
    for key in ("quote", "escape"):
        value = fixed.get(key)
        if value is not None and (
            len(str(value)) > 1 or value in ("\r", "\n", "\0") or value == delimiter and value
        ):
            raise EdaError(
                f"The {key} is one character, or empty, and not the delimiter.", field=f"reading.{key}"
            )
    if fixed.get("decimal", ".") not in (".", ","):
        raise EdaError("The decimal sign is a point or a comma.", field="reading.decimal")
    skip = fixed.get("skip", 0)
    if not isinstance(skip, int) or isinstance(skip, bool) or not 0 <= skip <= 1_000_000:
        raise EdaError("The number of lines to skip is 0 to 1,000,000.", field="reading.skip")
    if not isinstance(fixed.get("header", True), bool):
        raise EdaError("The header is true or false.", field="reading.header")
    return fixed


def _separation(text: bytes, fixed: Mapping[str, Any], *, tabs: bool) -> tuple[str, str]:
    """Return delimiter and quote: those that give most records the same number of values, more than one."""
    first = text[:64].split(b"\n", 1)[0].strip().lower()
    if "delimiter" not in fixed and len(first) == 5 and first.startswith(b"sep="):
        fixed = {**fixed, "delimiter": first[4:5].decode("latin-1")}
    if "delimiter" not in fixed and tabs:
        fixed = {**fixed, "delimiter": "\t"}
    delimiters = [fixed["delimiter"]] if "delimiter" in fixed else list(_DELIMITERS)
    quotes = [fixed["quote"]] if "quote" in fixed else [*_QUOTES, ""]
    found = []
    for delimiter in delimiters:
        best = _Score(0.0, 0.0)
        chosen = (delimiter, quotes[0])
        for quote in quotes:
            if not quote and best.share > _MOSTLY:
                continue  # the quotes are some: what is between them has delimiters in it
            score = _score(text, delimiter, quote)
            if score.value > best.value * _CLOSE:
                best, chosen = score, (delimiter, quote)
        found.append((best, chosen))
    top = max(score.value for score, _ in found)
    close = [each for each in found if each[0].value * _CLOSE >= top]
    # The one that fits more records: a comma that is in each number, or in each name (Doe, Jane), is not in
    # the header. Where there is no header, one between whose signs the commas are those of numbers.
    most = max(score.share for score, _ in close)
    best_ones = [chosen for score, chosen in close if score.share == most]
    chosen = next((each for each in best_ones[1:] if _has_decimal_commas(text, *each)), best_ones[0])
    if chosen[0] == "," and len(delimiters) > 1 and _is_one_column(text, chosen[1]):
        return ";", chosen[1]
    return chosen


def _is_one_column(text: bytes, quote: str) -> bool:
    """Tell whether commas stand in numbers such as 1,50 alone, one in each line, and right below one name."""
    records = _records(text, ",", quote, _escape(text, quote))
    if len(records) < 2 or records[1][0] != records[0][0] + 1:
        return False
    read = [[value.strip() for value in record] for _, record in records if record]
    if len(read) < 2 or len(read[0]) != 1 or _TYPED.fullmatch(read[0][0]):
        return False
    return all(len(values) == 2 and _COMMA.fullmatch(",".join(values)) for values in read[1:])


def _has_decimal_commas(text: bytes, delimiter: str, quote: str) -> bool:
    """Tell whether there are values with commas, and all of them are numbers such as 1.234,50."""
    records = _records(text, delimiter, quote, _escape(text, quote))
    values = [value for _, record in records for value in record or () if "," in value]
    return bool(values) and all(_DECIMAL.fullmatch(value.strip()) for value in values)


class _Score(NamedTuple):
    """How well a file is read with some signs.

    :param share: of the records, which have the usual number of values.
    """

    value: float
    share: float


def _score(text: bytes, delimiter: str, quote: str) -> _Score:
    """Return how well a file is read with this; a quote that is not in use is worth nothing more."""
    if quote == "'" and not re.search(rb"(?:^|[,;\t|])'|'(?:[,;\t|\r\n]|$)", text[:100_000]):
        return _Score(0.0, 0.0)
    escape = _escape(text, quote)
    counts: Counter[int] = Counter()
    for _, record in _records(text, delimiter, quote, escape):
        counts[len(record) if record else 0] += 1
    total = counts.total()
    usual, often = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    share = often / total if total else 0.0
    if usual < 2:
        # One value in each line, or none where no line has its quotes as they should be.
        return _Score((0.1 if delimiter == "," else _LEAST) * share * usual, share)
    weight = 1.0 if quote else 0.3
    return _Score(weight * share**2 * (1.0 + min(usual, 50) / 100), share)


def _spaced(text: bytes, delimiter: str, quote: str) -> bool:
    """Tell whether there are spaces between delimiters and quotes."""
    return bool(quote) and (delimiter + " " + quote).encode() in text


def _escape(text: bytes, quote: str) -> str:
    """Return a backslash where it stands before quotes and quotes are not doubled; else the quote."""
    if not quote:
        return ""
    sign = quote.encode()
    if text.count(b"\\" + sign) > 2 * text.count(sign * 2):
        return "\\"
    return quote


def _records(
    text: bytes, delimiter: str, quote: str, escape: str, *, skip: int = 0
) -> list[tuple[int, list[str] | None]]:
    """Return the first records with their lines; None for one that does not parse."""
    found: list[tuple[int, list[str] | None]] = []
    records = Records(
        lines(iter((text,)), skip=skip),
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        spaced=_spaced(text, delimiter, quote),
    )
    size = 0
    try:
        for record in records:
            size += records.size
            if isinstance(record, Bad):
                found.append((record.line, None))
            else:
                found.append((records.line, record))
            if len(found) >= _RECORDS or (size > _ENOUGH and len(found) >= _FEW):
                break
    except (csv.Error, TypeError) as error:
        raise EdaError(f"These signs do not go together: {error}.", field="reading.quote") from error
    return found


def _usual(records: Sequence[Sequence[str] | None]) -> int:
    """Return how many values most records have; of equally many, more."""
    counts = Counter(len(record) for record in records if record)
    return max(counts.items(), key=lambda item: (item[1], item[0]))[0] if counts else 0


def _first(records: Sequence[tuple[int, Sequence[str] | None]], usual: int) -> int:
    """Return which record is the first that is no title: one with a single value above others with more.

    Titles are also a few records with less than half of the values, such as a source and a date, above names.
    """
    if usual < 2:
        return 0
    counts = [sum(1 for value in record or () if value.strip()) for _, record in records[: _TITLE + 1]]
    first = next((place for place, count in enumerate(counts) if count > 1), 0)
    for place in range(first, len(counts)):
        if len(records[place][1] or ()) >= usual - 1:
            named = place > first and _has_header([record for _, record in records[place:]])
            return place if named else first
        if 2 * counts[place] >= usual:
            break
    return first


def _has_header(records: Sequence[Sequence[str] | None]) -> bool:
    """Tell whether the first record has names: none of it is a number, a date or empty alone."""
    if not records or records[0] is None:
        return False
    names = [value.strip() for value in records[0]]
    if not any(names):
        return False
    typed = sum(1 for name in names if name and _TYPED.fullmatch(name))
    if not typed:
        return True
    below = [record for record in records[1:50] if record]
    if not below or typed == len([name for name in names if name]):
        return False
    years = [name for name in names if name and _TYPED.fullmatch(name)]
    if all(_YEAR.fullmatch(year) for year in years) and years in (
        sorted(set(years)),
        sorted(set(years))[::-1],
    ):
        return True
    return any(
        name
        and not _TYPED.fullmatch(name)
        and all(_TYPED.fullmatch(record[place]) for record in below if place < len(record) and record[place])
        and any(place < len(record) and record[place] for record in below)
        for place, name in enumerate(names)
    )


def _names(header: Sequence[str], usual: int) -> tuple[str, ...]:
    """Return a name for each column: made up where there is none, with a number where it is taken."""
    given = list(header)
    while len(given) > max(usual, 1) and not given[-1].strip():
        given.pop()  # a delimiter at the end of the header
    if header and len(given) == usual - 1:
        given.insert(0, "")  # rows have names of their own, which the header does not count
    given += [""] * (usual - len(given))
    return unique(given)


def unique(given: Sequence[str]) -> tuple[str, ...]:
    """Return names of which no two are the same for DuckDB, which does not tell capital letters apart."""
    names: list[str] = []
    taken: set[str] = set()
    wanted = Counter(name.casefold() for name in given)
    numbers: Counter[str] = Counter()
    for place, each in enumerate(given, 1):
        name = each.replace("\0", "").strip()[:_LONGEST_NAME] or f"column{place}"
        found = name
        while found.casefold() in taken or (found != name and found.casefold() in wanted):
            numbers[name.casefold()] += 1
            found = f"{name}_{numbers[name.casefold()]}"
        taken.add(found.casefold())
        names.append(found)
    return tuple(names)


def _decimal(records: Sequence[Sequence[str] | None], delimiter: str) -> str:
    """Return a comma where values such as 1,5 are there and none such as 1.5 or 1,234,567.

    Where all are such as 12,345 it may be either, and a text loses nothing; but semicolons are what separates
    values where the comma is the decimal sign. There, the point in 12.345 among whole numbers is not one.
    """
    commas = sure = points = 0
    whole: set[int] = set()
    grouped: set[int] = set()
    for record in records:
        for place, value in enumerate((record or ())[:200]):
            number = value.strip()
            if _COMMA.fullmatch(number):
                commas += 1
                sure += not _THOUSANDS.fullmatch(number)
            elif _THOUSANDS.fullmatch(number.replace(".", ",")) and "," not in number:
                grouped.add(place)
            elif _POINT.fullmatch(number) or _THOUSANDS.fullmatch(number):
                points += 1
            elif _SMALL.fullmatch(number):
                whole.add(place)
    if points:
        return "."
    if delimiter == ";":
        return "," if sure or whole & grouped or (commas and not grouped) else "."
    return "," if sure and not grouped else "."
