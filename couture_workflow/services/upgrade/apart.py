"""Upgrades as the server makes them: in a process of its own, where no text can hurt the server."""

from __future__ import annotations

import difflib
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from couture_workflow.services.processes import apart
from couture_workflow.services.upgrade.upgrading import (
    LONGEST,
    TEMPLATES,
    Change,
    Note,
    Upgrade,
    upgrade,
    upgrade_bytes,
)

#: Seconds for one file; the manual's largest example takes a tenth of one, where nothing else is at work.
PATIENCE = 30.0
#: Seconds for a part of the files of those who wait at a command line.
_AT_LEISURE = 1800.0
#: Characters of a file up to which the difference is shown.
_MOST_DIFFERENCE = 100_000
#: What is remembered of texts: whether an upgrade changes them.
_MOST_KNOWN = 20_000
_known: dict[tuple[str, bytes], bool] = {}
_FAILED = {
    "time": "The upgrade of this file takes too long.",
    "late": "There was no time left for the upgrade of this file.",
    "crashed": "The upgrade gave up on this file: it is nested too deeply, or its expressions are too long.",
}


def is_upgradable(path: str) -> bool:
    """Tell by a file's name whether it can be upgraded: code, templates and ``.airflowignore``."""
    return PurePosixPath(path).name == ".airflowignore" or path.endswith((".py", *TEMPLATES))


def texts(files: Sequence[tuple[str, str]]) -> list[tuple[Upgrade, str]]:
    """Upgrade texts.

    :param files: (path, text).
    :return: of each what came of it, and the difference in the unified form, "" if that is too long.
    """
    answers = apart.each("upgrade.apart.text", None, files, seconds=PATIENCE)
    return [
        (_upgrade(answer.value["upgrade"]), str(answer.value["difference"]))
        if not answer.why
        else (_given_up(answer.why, source), "")
        for (_, source), answer in zip(files, answers, strict=True)
    ]


def would_change(files: Sequence[tuple[str, str]], *, hurry: bool = True) -> list[bool]:
    """Tell of each text whether an upgrade would change it; what was asked before is remembered.

    :param files: (path, text).
    :param hurry: leave out those for which there is no time within a minute; nothing is said of them then.
    """
    keys = [(path, hashlib.sha256(text.encode("utf-8", "replace")).digest()) for path, text in files]
    tried = [
        number
        for number, (_, text) in enumerate(files)
        if keys[number] not in _known and len(text) <= LONGEST
    ]
    found = {key: _known[key] for key in keys if key in _known}
    items, total = [files[number] for number in tried], apart.TOTAL if hurry else _AT_LEISURE
    answers = apart.each("upgrade.apart.changes", None, items, seconds=PATIENCE, total=total)
    found |= {
        keys[number]: answer.value
        for number, answer in zip(tried, answers, strict=True)
        if answer.value is not None
    }
    if len(_known) + len(found) > _MOST_KNOWN:
        _known.clear()
    _known.update(itertools.islice(found.items(), _MOST_KNOWN))
    return [found.get(key, False) for key in keys]


def contents(files: Sequence[tuple[str, bytes]]) -> list[tuple[bytes, Upgrade]]:
    """Upgrade files, each in the encoding that it says it has.

    :param files: (path, content); what ``is_upgradable`` refuses comes back as it is.
    """
    wanted = [number for number, (path, _) in enumerate(files) if is_upgradable(path)]
    answers = apart.each(
        "upgrade.apart.content",
        None,
        [_item(*files[number]) for number in wanted],
        seconds=PATIENCE,
    )
    found = [(content, Upgrade("")) for _, content in files]
    for number, answer in zip(wanted, answers, strict=True):
        if answer.why:
            found[number] = files[number][1], _given_up(answer.why, "")
        else:
            new = answer.value["content"]
            content = files[number][1] if new is None else new.encode("latin-1")
            found[number] = content, _upgrade(answer.value["upgrade"])
    return found


def _item(path: str, content: bytes) -> tuple[str, str | None]:
    # A character has 4 bytes at most: what is longer is refused without being sent.
    return path, None if len(content) > 4 * LONGEST else content.decode("latin-1")


def text(_: None, item: tuple[str, str]) -> dict[str, Any]:
    """Be the other process for ``texts``."""
    path, source = item
    done = upgrade(source, path=path)
    return {"upgrade": asdict(done), "difference": _unified(source, done.source)}


def changes(_: None, item: tuple[str, str]) -> bool | None:
    """Be the other process for ``would_change``; None if the text is refused."""
    path, source = item
    done = upgrade(source, path=path)
    return None if done.refused else done.source != source


def content(_: None, item: tuple[str, str | None]) -> dict[str, Any]:
    """Be the other process for ``contents``; the content is None if it stays as it is."""
    path, given = item
    if given is None:
        note = Note(1, f"The file is larger than {LONGEST >> 20} MiB.", "Upgrade it by hand.")
        return {"upgrade": asdict(Upgrade("", notes=(note,))), "content": None}
    old = given.encode("latin-1")
    new, done = upgrade_bytes(old, path=path)
    told = asdict(done) | {"source": ""}
    return {"upgrade": told, "content": None if new == old else new.decode("latin-1")}


def _upgrade(told: dict[str, Any]) -> Upgrade:
    return Upgrade(
        told["source"],
        tuple(Change(**change) for change in told["changes"]),
        tuple(Note(**note) for note in told["notes"]),
        told["refused"],
    )


def _given_up(why: str, source: str) -> Upgrade:
    note = Note(1, _FAILED[why], "Upgrade it by hand, or split it into smaller files.")
    return Upgrade(source, notes=(note,), refused=True)


def _unified(old: str, new: str) -> str:
    if max(len(old), len(new)) > _MOST_DIFFERENCE:
        return ""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return "\n".join(list(lines)[2:])  # without the two names
