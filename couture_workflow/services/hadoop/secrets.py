"""Secrets in Hadoop's files: told by the name of the property, sealed where kept, masked where shown.

A sealed secret stands in the file as ``sealed:`` and its encrypted form. A mask that comes back means: leave
it as it is. A secret in a comment is not kept at all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from xml.sax.saxutils import escape

from couture_workflow.exceptions import InvalidError, SecretKeyError, TooLargeError
from couture_workflow.services.hadoop import documents
from couture_workflow.services.hadoop.documents import Place
from couture_workflow.store.names import quote
from couture_workflow.store.secrets import MASK, Secrets

#: What a secret begins with in a file that is kept.
SEAL = "sealed:"

#: Stands behind the mask of a secret that is about to change, in a difference.
NEW = " (new)"

#: As Hadoop's own ``hadoop.security.sensitive-config-keys``, and what Hive, HBase and the object stores have.
_SECRET = re.compile(
    r"(?i)secret|passw(?:or)?d|passphrase|[.]pass$|credential$"
    r"|(?:access|session|encryption|account|private|shared|storage|api)[._-]?key(?:[._-]id)?(?:$|[.])"
    r"|encryption[.](?:algorithm|context)$"
    r"|(?:session|oauth\d?|auth|access|refresh|bearer|api|sas)[._-]?token$"
    r"|(?:zk|zookeeper)[.-]auth$"
    r"|^fs[.](?:azure[.]sas|azure[.]oauth2|adl[.]oauth2|gs[.]encryption|gs[.]proxy|gs[.]auth)[.]"
)
#: Names of a file or a program that has the secret.
_NO_SECRET = re.compile(r"(?i)[.](?:file|path|dir|uri|provider|class|alias|enabled?)$")
_ESCAPES = {'"': "&quot;", "'": "&apos;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def is_secret(name: str) -> bool:
    """Tell whether the value of a property is a secret."""
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def shown(name: str, value: str) -> str:
    """Return a value as it may be shown."""
    return MASK if value and (is_secret(name) or value.startswith(SEAL)) else value


def opened_value(secrets: Secrets, value: str) -> str:
    """Return the value of a property, unsealed."""
    return secrets.decrypt(value.removeprefix(SEAL)) if value.startswith(SEAL) else value


def without_secrets(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a file with its secrets masked, and the names of those."""
    hidden = [place for place in _secrets(content) if place.text.strip()]
    names = (place.name for place in hidden if place.kind != "comment")
    return _replaced(content, hidden, lambda _: MASK), tuple(names)


def with_secrets(content: bytes, present: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a file with the secrets that are here in place of masks, and names of those that are not.

    :param present: the file as it is here, empty if there is none.
    """
    known = _Known(present)
    wanting: list[str] = []

    def filled(place: Place) -> str | None:
        if place.kind == "comment" or place.text.strip() != MASK:
            return None
        text = known.value(place)
        if text is None:
            wanting.append(place.name)
        return _escaped(place, text or "")

    return _replaced(content, _secrets(content), filled), tuple(wanting)


def compared(content: bytes, present: bytes) -> bytes:
    """Return a file with its secrets masked, and those marked that are not what is here."""
    known = _Known(present)

    def masked(place: Place) -> str | None:
        if not place.text.strip():
            return None
        is_new = place.kind != "comment" and place.text.strip() != MASK and known.value(place) != place.text
        return MASK + NEW if is_new else MASK

    return _replaced(content, _secrets(content), masked)


def sealed(secrets: Secrets, content: bytes, present: bytes) -> bytes:
    """Return a file with every secret sealed; one that is as it was before keeps its sealed form.

    :param present: the file as it is here, empty if there is none.
    """
    known = _Known(present)

    def seal(place: Place) -> str | None:
        if not place.text.strip():
            return None
        if place.kind == "comment":
            return MASK
        old = known.value(place) or ""
        if place.text == old and old.startswith(SEAL):
            return None
        if place.text.startswith(SEAL):
            _check_seal(secrets, place)
            return None
        if old.startswith(SEAL) and _opens_to(secrets, old, place.text):
            return old
        return SEAL + secrets.encrypt(place.text)

    return _replaced(content, _secrets(content), seal)


def opened(secrets: Secrets, content: bytes) -> bytes:
    """Return a file with every secret in the clear, for a job."""

    def clear(place: Place) -> str | None:
        if not place.text.startswith(SEAL):
            return None
        return _escaped(place, secrets.decrypt(place.text.removeprefix(SEAL)))

    return _replaced(content, _secrets(content), clear)


class _Known:
    """The secrets of a file: of several with one name, the one at the same turn, else the last."""

    def __init__(self, content: bytes) -> None:
        self._values: dict[str, list[str]] = defaultdict(list)
        self._turns: dict[str, int] = defaultdict(int)
        for place in _secrets(content):
            if place.kind != "comment":
                self._values[place.name].append(place.text)

    def value(self, place: Place) -> str | None:
        """Return the next secret of the place's name, None if there is none."""
        values = self._values.get(place.name)
        if not values:
            return None
        turn = self._turns[place.name]
        self._turns[place.name] += 1
        return values[min(turn, len(values) - 1)]


def _secrets(content: bytes) -> list[Place]:
    """Return where secrets stand; also in text that is not well-formed, as far as it can be told."""
    try:
        places: Iterable[Place] = documents.parse(content, name="").places
    except (InvalidError, TooLargeError):
        places = documents.places_in_fragment(content, kind="value")
    return [place for place in places if is_secret(place.name)]


def _replaced(content: bytes, places: Iterable[Place], change: Callable[[Place], str | None]) -> bytes:
    """Return a file with another text at some places; None leaves one as it is."""
    pieces: list[bytes] = []
    done = 0
    for place in places:
        if place.start >= done and (text := change(place)) is not None:
            pieces += [content[done : place.start], text.encode("utf-8", "surrogateescape")]
            done = place.end
    return b"".join([*pieces, content[done:]])


def _escaped(place: Place, text: str) -> str:
    """Return a text as it must be written at a place."""
    return escape(text, _ESCAPES if place.kind == "attribute" else {"\r": "&#13;"})


def _check_seal(secrets: Secrets, place: Place) -> None:
    try:
        secrets.decrypt(place.text.removeprefix(SEAL))
    except SecretKeyError as error:
        raise InvalidError(
            f"The value of {quote(place.name)} looks like a sealed secret, and none of ours. Type the secret "
            "itself.",
            field="text",
        ) from error


def _opens_to(secrets: Secrets, sealed_value: str, text: str) -> bool:
    try:
        return opened_value(secrets, sealed_value) == text
    except SecretKeyError:  # the key was lost; the secret is being entered again
        return False
