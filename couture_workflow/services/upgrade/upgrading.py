"""Old DAG files: text of the Airflow 1.10 and 2 days in, text that Airflow 3 and this package run out.

Nothing of the file is imported or executed. What was done is listed as changes, what a person must look at
as notes, each with its line. A second pass over the result changes nothing.
"""

from __future__ import annotations

import ast
import codecs
import difflib
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TypeVar

from couture_workflow.services.upgrade.ignore import rewrite_ignore
from couture_workflow.services.upgrade.python2 import convert
from couture_workflow.services.upgrade.python2_names import MODULES, modern
from couture_workflow.services.upgrade.text import NEWLINE, PYTHON_2, plain, problem

#: A file larger than this is left alone, in characters; no DAG file that people write is.
LONGEST = 1 << 20

#: What a file of templates ends in.
TEMPLATES = (".sql", ".hql", ".sh", ".bash", ".j2", ".jinja", ".jinja2")
_OLD = re.compile(
    r"\bschedule_interval\b|\bairflow\.(operators|hooks|contrib|sensors)(\.\w+)?\s+import\b"
    r"|\bimport\s+airflow\.(operators|hooks|contrib|sensors)\b|\bfrom\s+airflow\s+import\s+operators\b"
    r"|\b(provide_context|days_ago|apply_defaults|task_concurrency|default_view|full_filepath)\b"
    r"|\b(next_|prev_)?execution_date\b|\b(next|prev|yesterday|tomorrow)_ds(_nodash)?\b|\bEND_DATE\b"
    r"|(?<![.\w])sla\s*=(?!=)|\bSubDagOperator\b|\bkey\s*=\s*None\b"
    r"|\b(DAG|dag)\([^()]*\bconcurrency\s*=|\bnone_failed_or_skipped\b|\bTriggerRule\.DUMMY\b"
    r"|\btrigger_rule\s*=\s*['\"]dummy['\"]|\bxcom_push\s*=|=\s*[\u2018\u2019\u201c\u201d]"
    r"|\b(Postgres|MySql|Sqlite|MsSql|Oracle|Jdbc|Vertica|Trino|Snowflake|RedshiftSQL)Operator\b"
    r"|\b(SlaMiss|external_trigger)\b|\bairflow\.utils\.(dates|weekday)\b|\bairflow\.datasets\b"
    r"|\bconfiguration\.get\w*\("
)
#: What only Python 2 has, or words that begin a line like it.
_OLD_PYTHON = re.compile(r"(?m)^[ \t]*(?:print[ \t]+['\"\w%]|except[ \t]+[\w.()]+[ \t]*,[ \t]*\w+[ \t]*:)")
#: Without any of these a file has nothing to do with Airflow.
_CONCERNED = re.compile(r"airflow|\{[{%]|default_args|xcom_pull|task_id|_date\b|_ds\b|\bcontext\b|\bkwargs\b")
_COMMENT = re.compile(r"(?m)#.*$")


_PYTHON_2 = "This file was written for Python 2, which Airflow 3 does not run."
_CONVERTED = (
    "What is mechanical was converted: print, except, numbers, names. Run it with care: text and bytes, "
)
_CONVERTED += "divisions, sorting and lists of dicts are not the same in Python 3."
_BY_HAND = "Most of it is converted once the line named below is corrected; nothing is changed before."


@dataclass(frozen=True)
class Change:
    """Something that was rewritten.

    :param line: line in the old file, the first is 1.
    :param new_line: the same in the upgraded file.
    """

    line: int
    message: str
    new_line: int = 0


@dataclass(frozen=True)
class Note:
    """Something that a person has to look at.

    :param line: line in the old file, the first is 1.
    :param advice: what to do.
    :param new_line: the same in the upgraded file.
    """

    line: int
    message: str
    advice: str = ""
    new_line: int = 0


_Told = TypeVar("_Told", Change, Note)


@dataclass(frozen=True)
class Upgrade:
    """What came of a file: its new text, what was changed and what is left to a person.

    :param refused: the file could not be read; the one note says why.
    """

    source: str
    changes: tuple[Change, ...] = ()
    notes: tuple[Note, ...] = ()
    refused: bool = False


def looks_old(source: str) -> bool:
    """Tell quickly whether a file has anything of the days before Airflow 3; comments do not count."""
    code = _COMMENT.sub("", source)
    return bool(_OLD.search(code) or _OLD_PYTHON.search(code))


def knows_module(name: str) -> bool:
    """Tell whether an import of a module that is missing may be one that an upgrade rewrites."""
    top = name.partition(".")[0]
    return top == "airflow" or top in MODULES


def upgrade(source: str, *, path: str = "") -> Upgrade:
    """Return a DAG file as Airflow 3 runs it; a file that cannot be read comes back as it is, with a note.

    :param path: name of the file: templates such as ``.sql`` and ``.airflowignore`` are known by it.
    """
    name = PurePath(path).name
    if len(source) > LONGEST:
        return Upgrade(
            source, notes=(Note(1, f"The file is larger than {LONGEST >> 20} MiB.", "Upgrade it by hand."),)
        )
    if name == ".airflowignore":
        return upgrade_ignore(source)
    if name.endswith(TEMPLATES):
        return _template(source)
    mark = "\ufeff" if source.startswith("\ufeff") else ""
    text, done = plain(source[len(mark) :])
    is_python_2 = any(message == PYTHON_2 for _, message in done)
    if wrong := problem(text):
        advice = "Correct this line, then upgrade the file again."
        note = Note(wrong.line, f"This is not Python 3: {wrong.message.rstrip('.')}.", advice)
        is_python_2 = is_python_2 or convert(text) != text
        first = (Note(1, _PYTHON_2, _BY_HAND),) if is_python_2 else ()
        return Upgrade(source, notes=(*first, note), refused=True)
    if not done and not _CONCERNED.search(text):
        return Upgrade(source)
    named = modern(text, old=is_python_2)
    result = _python(source, mark, named.text, [*done, *named.changes])
    notes = [Note(line, what, advice, line) for line, what, advice in named.notes]
    if is_python_2:
        notes = [Note(1, _PYTHON_2, _CONVERTED, 1), *notes]
    return replace(result, notes=_sorted([*notes, *result.notes]))


def upgrade_ignore(text: str) -> Upgrade:
    """Return an ``.airflowignore`` as globs: what Airflow 3 reads unless it is told otherwise."""
    found = rewrite_ignore(text)
    lines = _Lines(text, found.text)
    return Upgrade(
        found.text,
        tuple(Change(line, message, lines.new(line)) for line, message in found.changes),
        tuple(Note(line, message, advice, lines.new(line)) for line, message, advice in found.notes),
    )


def upgrade_bytes(content: bytes, *, path: str = "") -> tuple[bytes, Upgrade]:
    """Return the bytes of an upgraded file, in the encoding that it says it has, and what came of it.

    :param path: name of the file.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        source = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        note = Note(1, f"The file is no text in the encoding that it says: {error}.", "Save it as UTF-8.")
        return content, Upgrade("", notes=(note,), refused=True)
    mark = content.startswith(codecs.BOM_UTF8)
    done = upgrade(("\ufeff" if mark else "") + source, path=path)
    if done.source.removeprefix("\ufeff") == source:
        return content, done
    return done.source.removeprefix("\ufeff").encode(encoding), done


def _template(source: str) -> Upgrade:
    """Return a file of templates; what lies between two runs is not known here, nor who renders it."""
    from couture_workflow.services.upgrade.rewriting.strings import told
    from couture_workflow.services.upgrade.templates import Rules, rewrite

    done = rewrite(source, Rules(quote="'"))
    old, new = source.splitlines(), done.text.splitlines()
    changes = [
        Change(number, "variables of the context that are gone replaced", number)
        for number, (before, after) in enumerate(zip(old, new, strict=True), 1)
        if before != after
    ]
    notes = [
        Note(number, message, advice, number)
        for number, line in enumerate(new, 1)
        for message, advice in told(rewrite(line, Rules(quote="'")))
    ]
    return Upgrade(done.text, tuple(changes), tuple(notes))


def _python(source: str, mark: str, text: str, done: list[tuple[int, str]]) -> Upgrade:
    from couture_workflow.services.upgrade.remaining import Remaining, remaining
    from couture_workflow.services.upgrade.rewriting.python import rewrite

    rewritten = rewrite(text, old=bool(done) or _is_old(text))
    last = Remaining(text) if rewritten.refused else remaining(rewritten.text, before=text)
    result = mark + last.text
    lines = _Lines(text, last.text, rewritten.new_lines if last.text == rewritten.text else ())
    told = " ".join(message for _, message, _ in rewritten.notes)
    changes = [Change(line, what, lines.new(line)) for line, what in (*done, *rewritten.changes)]
    changes += [Change(lines.old(line), what, line) for line, what in last.changes]
    notes = [Note(line, what, advice, lines.new(line)) for line, what, advice in rewritten.notes]
    notes += [
        Note(lines.old(line), what, advice, line)
        for line, what, advice in last.notes
        if what.split(" ")[0].rpartition(".")[2] not in told
    ]
    return Upgrade(result, _sorted(changes), _sorted(notes))


def _is_old(text: str) -> bool:
    """Tell whether the code of a file is of the days before Airflow 3; its docstrings do not count."""
    lines = NEWLINE.split(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.end_lineno:
            for number in range(node.lineno - 1, min(node.end_lineno, len(lines))):
                lines[number] = ""
    return bool(_OLD.search(_COMMENT.sub("", "\n".join(lines))))


def _sorted(found: list[_Told]) -> tuple[_Told, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda each: each.line))


class _Lines:
    """Which line of one text is which of another."""

    def __init__(self, old: str, new: str, known: tuple[int, ...] = ()) -> None:
        self._new = known or tuple(_matched(old, new))

    def new(self, line: int) -> int:
        """Return the line of the new text that a line of the old one became."""
        return self._new[line - 1] if 0 < line <= len(self._new) else line

    def old(self, line: int) -> int:
        """Return the line of the old text that a line of the new one comes from."""
        return max(bisect_right(self._new, line), 1)


def _matched(old: str, new: str) -> Iterator[int]:
    blocks = difflib.SequenceMatcher(None, NEWLINE.split(old), NEWLINE.split(new)).get_opcodes()
    for _, begin, end, first, last in blocks:
        for line in range(begin, end):
            yield max(min(first + line - begin + 1, last), 1)
