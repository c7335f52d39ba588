"""The rule for every name and path that people choose; nothing else decides what a name may be.

Names end up in file names, URLs, shell lines for display and Spark's comma separated lists, so the rule is
narrow on purpose: no escaping is needed anywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from couture_workflow.exceptions import InvalidError, InvalidNameError

MAX_NAME_BYTES = 200
MAX_PATH_BYTES = 1000

#: The sentence that errors about names end with.
RULE = (
    "A name has only letters, digits and . _ - +, begins with a letter, a digit or _, does not end in a dot, "
    f"and is at most {MAX_NAME_BYTES} bytes long."
)
#: The sentence that errors about paths end with.
PATH_RULE = (
    "A path has parts separated by /; each has only letters, digits and . _ - +, does not begin with - or +, "
    f"does not end in a dot and is not .git; a part is at most {MAX_NAME_BYTES} bytes long."
)

_PUNCTUATION = frozenset("._-+")


def check_name(name: str, *, what: str = "name", suffixes: Collection[str] = ()) -> str:
    """Return the name in Unicode's composed form (NFC), or raise ``InvalidNameError`` with the rule.

    :param what: what is being named, for the message, such as "dependency".
    :param suffixes: what the name must end in, such as ".jar"; case does not matter.
    """
    name = unicodedata.normalize("NFC", name)
    if not (_is_well_formed(name) and (name[0] == "_" or _is_word(name[0]))):
        hint = f' Rename it, for example to "{_suggestion(name)}".' if _suggestion(name) else ""
        raise InvalidNameError(f"The {what} {quote(name)} is refused. {RULE}{hint}", field="name")
    if suffixes and not name.casefold().endswith(tuple(suffix.casefold() for suffix in suffixes)):
        raise InvalidNameError(
            f"The {what} {quote(name)} is refused. Its name must end in {_either(suffixes)}.", field="name"
        )
    return name


def check_path(path: str) -> str:
    """Return a relative path inside a repository in composed form (NFC), or raise ``InvalidNameError``."""
    path = unicodedata.normalize("NFC", path)
    parts = path.split("/")
    fits = len(path.encode("utf-8", "replace")) <= MAX_PATH_BYTES
    if fits and all(_is_well_formed(part) and part[0] not in "-+" for part in parts):
        if not any(part.casefold() == ".git" for part in parts):
            return path
    raise InvalidNameError(f"The path {quote(path)} is refused. {PATH_RULE}", field="path")


def is_fit(path: str) -> bool:
    """Tell whether ``check_path`` takes a path as it is."""
    try:
        return check_path(path) == path
    except InvalidNameError:
        return False


def check_pushed_path(path: str) -> str:
    """Return a path that git brought as it is, or raise ``InvalidNameError``: wider than the other rule.

    Any printable characters, but nothing that leads elsewhere, on other systems either.
    """
    parts = path.replace("\\", "/").split("/")
    fits = path.isprintable() and len(path.encode("utf-8", "replace")) <= MAX_PATH_BYTES
    if fits and not any(part.casefold() in {"", ".", "..", ".git"} for part in parts):
        return path
    raise InvalidNameError(
        f"The path {quote(path)} is refused: control characters, .. and .git are not allowed in it. Rename "
        "the file where it comes from.",
        field="path",
    )


def suggested_path(path: str) -> str:
    """Return a path that ``check_path`` takes, as near to this one as can be; "" if there is none."""
    parts = [part for part in path.replace("\\", "/").split("/") if part.strip(". ")]
    fit = "/".join(
        part if _is_well_formed(part) and part[0] not in "-+" else _suggestion(part) for part in parts
    )
    try:
        return check_path(fit)
    except InvalidNameError:
        return ""


def parse_reference(reference: str, *, what: str = "file") -> tuple[str, int | None]:
    """Split a reference ``name`` or ``name@3`` into the name and the version (None: the current one)."""
    name, separator, version = reference.partition("@")
    if not separator:
        return check_name(name, what=what), None
    if not (version.isascii() and version.isdigit() and len(version) <= 9 and int(version) > 0):
        raise InvalidError(
            f"The reference {quote(reference)} is refused. Write the name alone, or the name, @ and the "
            f"number of a version, such as {quote(name + '@3')}."
        )
    return check_name(name, what=what), int(version)


def reference_to(name: str, version: int | None = None) -> str:
    """Return the reference that ``parse_reference`` reads."""
    return name if version is None else f"{name}@{version}"


def quote(text: str) -> str:
    """Return text in double quotes for a message: shortened, with control characters spelled out."""
    short = text if len(text) <= 100 else text[:97] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) + '"'


def is_text(text: str) -> bool:
    """Tell whether UTF-8 can carry a text: names of files may be any bytes, and JSON has half characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: str) -> str:
    """Return a text in which what UTF-8 cannot carry stands as its escape, like ``\\ud800``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _is_well_formed(name: str) -> bool:
    return (
        bool(name)
        and all(c in _PUNCTUATION or unicodedata.category(c)[0] in "LMN" for c in name)
        and not name.endswith(".")
        and len(name.encode()) <= MAX_NAME_BYTES
    )


def _suggestion(name: str) -> str:
    kept = "".join(c if c in _PUNCTUATION or unicodedata.category(c)[0] in "LMN" else "_" for c in name)
    words = "_".join(word for word in kept.split("_") if word).strip(".-+_")
    return words if words and _is_word(words[0]) and _is_well_formed(words) else ""


def _either(suffixes: Collection[str]) -> str:
    *head, last = suffixes
    return f"{', '.join(head)} or {last}" if head else last
