"""The git remote of the DAG repository: which it is, how it is reached, what the last look at it found.

The settings are ``dag-repository.yaml`` in the configuration repository; tokens and keys are in ``secrets/``.
The state is a small file of its own in the home, because each look at the remote writes it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets as random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import yaml

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags import root as dag_root
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_path

PATH = "dag-repository.yaml"
STATE = "git-remote.json"

#: Only take the remote's commits; or also give it ours.
FOLLOW, TWO_WAY = "follow", "two-way"
MODES = (FOLLOW, TWO_WAY)

#: Seconds between two looks at the remote: least, default.
LEAST_INTERVAL, INTERVAL = 10, 60

HOOK_SECRET = "git-remote-hook"  # noqa: S105 (the name of the secret)

_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")
_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:(?!//)[^\s]+")
_SCHEMES = ("https", "http", "ssh", "file")


@dataclass(frozen=True)
class Credential:
    """How addresses that begin with a prefix are reached; the token or key itself is a secret.

    :param prefix: such as ``https://git.example.org/data/``; the longest that fits counts.
    :param username: for a token; "" for an SSH key.
    """

    prefix: str
    username: str = ""

    @property
    def secret(self) -> str:
        """Name of the secret."""
        return f"git-remote-{hashlib.sha256(self.prefix.encode()).hexdigest()[:16]}"

    @property
    def is_key(self) -> bool:
        """Tell whether the secret is an SSH key."""
        return not self.prefix.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Remote:
    """The settings.

    :param url: of the repository; "" for none.
    :param folder: folder of it that Airflow reads DAGs from, "" for all of it.
    :param interval: seconds between two looks.
    :param known_hosts: lines of SSH's ``known_hosts``; "" trusts the key that a host shows at first.
    :param commit: version of these settings, None if none were saved.
    """

    url: str = ""
    branch: str = "main"
    folder: str = ""
    mode: str = FOLLOW
    submodules: bool = True
    interval: int = INTERVAL
    known_hosts: str = ""
    credentials: tuple[Credential, ...] = ()
    commit: str | None = None

    @property
    def is_set(self) -> bool:
        """Tell whether there is a remote at all."""
        return bool(self.url)


@dataclass(frozen=True)
class State:
    """What the last look at the remote found.

    :param result: ``ok``, ``error``, ``conflict``, or "" before the first look.
    :param message: what happened, or what is wrong and what to do.
    :param when: of the last look, ISO 8601; "" for never.
    :param success: of the last one that went well.
    :param remote: commit of the remote's branch.
    :param local: commit of ours.
    :param ahead: commits of ours that the remote lacks.
    :param behind: commits of the remote's that we lack.
    :param paths: files that both changed, in a conflict.
    :param rewritten: the remote's history was rewritten, and there are commits of ours, in a conflict.
    :param notes: what in the repository Airflow does not see, and why.
    """

    result: str = ""
    message: str = ""
    when: str = ""
    success: str = ""
    remote: str = ""
    local: str = ""
    ahead: int = 0
    behind: int = 0
    paths: tuple[str, ...] = field(default=())
    rewritten: bool = False
    notes: tuple[str, ...] = field(default=())


def load(store: Store) -> Remote:
    """Return the settings with their version."""
    newest = store.config.history(PATH, limit=1)
    return replace(settings(store), commit=newest[0].id) if newest else Remote()


def settings(store: Store) -> Remote:
    """Return the settings without their version, which takes one git process less."""
    try:
        data = yaml.safe_load(store.config.read(PATH)) or {}
    except (NotFoundError, yaml.YAMLError):
        return Remote()
    if not isinstance(data, dict):
        return Remote()
    entries = [entry for entry in data.pop("credentials", None) or [] if isinstance(entry, dict)]
    credentials = tuple(
        Credential(str(entry.get("prefix", "")), str(entry.get("username", ""))) for entry in entries
    )
    known = {name: data[name] for name in Remote.__dataclass_fields__ if name in data and name != "commit"}
    return replace(Remote(**known), credentials=credentials)


def save(
    store: Store, remote: Remote, *, user: str, base: str | None, values: Mapping[str, str] | None = None
) -> Remote:
    """Save the settings and return them, or raise ``InvalidError``, ``ConflictError``.

    :param base: version that the form started from.
    :param values: new tokens and keys by prefix of their credential; those that are not named stay.
    """
    remote = check(remote)
    values = values or {}
    for credential in remote.credentials:
        value = values.get(credential.prefix, "")
        if not value and credential.secret not in store.secrets.names():
            what = "private SSH key" if credential.is_key else "token"
            raise InvalidError(
                f"The {what} for {credential.prefix} is missing. Type it.", field="credentials"
            )
    old = {credential.secret for credential in load(store).credentials}
    data = as_form(remote)
    del data["commit"]
    for credential in remote.credentials:
        if value := values.get(credential.prefix, ""):
            store.secrets.put(credential.secret, _normal(value, credential).encode())
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    message = (
        f"Connect the DAG repository with {remote.url}" if remote.url else "Disconnect the DAG repository"
    )
    store.config.save({PATH: text.encode()}, author=user, message=message, base=base)
    dag_root.choose(store.root, remote.folder if remote.url else "")
    for name in old - {credential.secret for credential in remote.credentials}:
        store.secrets.delete(name)
    return load(store)


def check(remote: Remote) -> Remote:
    """Return settings in their normal form, or raise ``InvalidError`` with the field at fault."""
    url = remote.url.strip()
    if url:
        _check_url(url)
    if (
        not _BRANCH.fullmatch(remote.branch)
        or ".." in remote.branch
        or remote.branch.endswith(("/", ".lock"))
    ):
        raise InvalidError(
            f"The branch {remote.branch!r} is refused. It must be a name such as main or release/2026.",
            field="branch",
        )
    folder = remote.folder.strip().strip("/")
    if folder:
        check_path(folder)
    if remote.mode not in MODES:
        raise InvalidError(f"The mode must be {' or '.join(MODES)}.", field="mode")
    if not LEAST_INTERVAL <= remote.interval <= 86400:
        raise InvalidError(
            f"The interval must be {LEAST_INTERVAL} to 86400 seconds, not {remote.interval}.",
            field="interval",
        )
    seen = set()
    for credential in remote.credentials:
        _check_credential(credential)
        if credential.prefix in seen:
            raise InvalidError(f"There are two credentials for {credential.prefix}.", field="credentials")
        seen.add(credential.prefix)
    return replace(remote, url=url, folder=folder)


def follows(store: Store) -> str:
    """Return the address that the DAG files come from if they are changed there alone, else ""."""
    remote = settings(store)
    return remote.url if remote.is_set and remote.mode == FOLLOW else ""


def state(store: Store) -> State:
    """Return what the last look at the remote found."""
    try:
        data = json.loads((store.root / STATE).read_text(encoding="utf-8"))
        known = {name: data[name] for name in State.__dataclass_fields__ if name in data}
        paths, notes = (tuple(known.get(name, ())) for name in ("paths", "notes"))
        return replace(State(**known), paths=paths, notes=notes)
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return State()


def record(store: Store, found: State) -> State:
    """Keep what a look at the remote found."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    success = now if found.result == "ok" else state(store).success
    found = replace(found, when=now, success=success)
    atomic.write(store.root / STATE, json.dumps(asdict(found)).encode())
    return found


def hook_secret(store: Store, *, renew: bool = False) -> str:
    """Return the secret of the web hook, made when it is first asked for."""
    if renew or HOOK_SECRET not in store.secrets.names():
        store.secrets.put(HOOK_SECRET, random.token_urlsafe(32).encode())
    return store.secrets.get(HOOK_SECRET).decode()


def credential_for(remote: Remote, url: str) -> Credential | None:
    """Return the credential that an address is reached with, None for none."""
    fitting = [credential for credential in remote.credentials if _covers(credential.prefix, url)]
    return max(fitting, key=lambda credential: len(credential.prefix), default=None)


def _covers(prefix: str, url: str) -> bool:
    """Tell whether an address lies below a prefix; never on another host that begins alike."""
    return url == prefix or url.startswith(prefix if prefix.endswith(("/", ":")) else f"{prefix}/")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc and parts.scheme in ("http", "https"):
        raise InvalidError(
            "The address must not hold a name or password. Add them as a credential below, where they are "
            "kept encrypted.",
            field="url",
        )
    valid = parts.scheme in _SCHEMES and (parts.netloc or parts.scheme == "file") and parts.path.strip("/")
    if not url.isprintable() or " " in url or url.startswith("-") or not (valid or _SCP.fullmatch(url)):
        raise InvalidError(
            f"The address {url!r} is refused. Write https://host/path.git, ssh://git@host/path.git or "
            "git@host:path.git.",
            field="url",
        )


def _check_credential(credential: Credential) -> None:
    prefix = credential.prefix
    parts = urlsplit(prefix)
    web = parts.scheme in ("http", "https") and bool(parts.netloc) and "@" not in parts.netloc
    ssh = (parts.scheme == "ssh" and bool(parts.netloc)) or bool(
        re.fullmatch(r"[^\s:/@]+@[^\s:/]+:\S*", prefix)
    )
    if not (web or ssh) or not prefix.isprintable():
        raise InvalidError(
            f"The credential for {prefix!r} is refused. Name what addresses begin with: https://host/ or "
            "https://host/group/ for a token, git@host: or ssh://git@host/ for a key.",
            field="credentials",
        )
    if web and not (credential.username.isprintable() and ":" not in credential.username):
        raise InvalidError("The user name of a token must not have a colon.", field="credentials")


def _normal(value: str, credential: Credential) -> str:
    text = value.replace("\r\n", "\n").strip()
    if credential.is_key and "PRIVATE KEY" not in text:
        raise InvalidError(
            f"The key for {credential.prefix} is not a private SSH key. Paste the whole file, BEGIN to END.",
            field="credentials",
        )
    return f"{text}\n" if credential.is_key else text


def as_form(remote: Remote) -> dict[str, Any]:
    """Return the settings as the page shows them, without any secret."""
    return asdict(remote)
