"""Old DAG files: text of the Airflow 1.10 and 2 days in, text that Airflow 3 and this package run out.

Nothing of the file is imported or executed. What was done is listed as changes, what a person must look at
as notes, each with its line. A second pass over the result changes nothing.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

#: A file larger than this is left alone, in characters; no DAG file that people write is.
LONGEST = 1 << 20

_OLD = re.compile(
    r"\bschedule_interval\b|\bairflow\.(operators|sensors|hooks|contrib)\b|\bprovide_context\b|\bdays_ago\b"
    r"|\bexecution_date\b|\bapply_defaults\b|\bsla(_miss_callback)?\s*=|\bDummyOperator\b|\btask_concurrency\b"
)
_COMMENT = re.compile(r"(?m)^\s*#.*$")


@dataclass(frozen=True)
class Change:
    """Something that was rewritten.

    :param line: line in the old file, the first is 1.
    :param new_line: line in the upgraded file, 0 if it is gone.
    """

    line: int
    message: str
    new_line: int = 0


@dataclass(frozen=True)
class Note:
    """Something that a person has to look at.

    :param advice: what to do.
    """

    line: int
    message: str
    advice: str = ""
    new_line: int = 0


@dataclass(frozen=True)
class Upgrade:
    """What came of a file: its new text, what was changed and what is left to a person."""

    source: str
    changes: tuple[Change, ...] = ()
    notes: tuple[Note, ...] = ()


def looks_old(source: str) -> bool:
    """Tell quickly whether a file has anything of the days before Airflow 3."""
    return bool(_OLD.search(_COMMENT.sub("", source)))


def upgrade(source: str, *, path: str = "") -> Upgrade:
    """Return a DAG file as Airflow 3 runs it; a file that cannot be read comes back as it is, with a note.

    :param path: name of the file, for what depends on its kind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        return Upgrade(source, notes=(Note(line, f"This file is not Python 3: {error}"),))
    return Upgrade(source)
