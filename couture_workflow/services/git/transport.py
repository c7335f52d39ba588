"""Fetching from and pushing to a git remote: credentials that never stand in a command line or on the disk
in the clear longer than the command runs, protocols that are allowed, errors in words."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from couture_workflow.exceptions import RemoteError
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git.remote import Remote
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store

#: Seconds that one command may take at most.
TIMEOUT = 600.0
#: Bytes per second below which, for so many seconds, a transfer over HTTP is given up.
_SLOW = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "60", "http.followRedirects": "false"}

_PROTOCOLS = "https:http:ssh"

#: What git says -> what that means for whoever set up the remote.
_REASONS = (
    (rb"Authentication failed|could not read Username|HTTP Basic: Access denied|401|403",
     "the user name or the token is wrong, or does not include this repository"),
    (rb"Permission denied \(publickey|Load key",
     "the SSH key is not accepted: add its public part to the repository, or paste another key"),
    (rb"Host key verification failed|REMOTE HOST IDENTIFICATION",
     "the host shows another SSH key than the known one: check it, then correct the known hosts"),
    (rb"[Rr]epository .* not found|does not appear to be a git repository|404",
     "there is no such repository, or the credential may not see it"),
    (rb"couldn't find remote ref|Remote branch", "there is no such branch"),
    (rb"Could not resolve host", "the name of the host cannot be resolved"),
    (rb"Connection refused|Failed to connect|timed out|Network is unreachable",
     "the host cannot be reached"),
    (rb"SSL certificate|server certificate", "the host's certificate is not trusted"),
    (rb"transport '.*' not allowed", "this kind of address is not allowed for a submodule"),
    (rb"unable to update url base from redirection",
     "the address redirects to another one: use that one"),
)  # fmt: skip


def fetch(store: Store, git: Git, remote: Remote, url: str, *refspecs: str, own: bool = False) -> None:
    """Fetch from an address, or raise ``RemoteError``.

    :param own: the address was typed by an administrator, not read in a repository: a path is allowed too.
    """
    _run(store, git, remote, url, ["fetch", "--quiet", "--no-tags", "--force", "--", url, *refspecs], own=own)


def push(store: Store, git: Git, remote: Remote, commit: str) -> bool:
    """Give the remote's branch a commit; False if it has others by now. Never overwrites anything there."""
    command = ["push", "--quiet", "--porcelain", "--", remote.url, f"{commit}:refs/heads/{remote.branch}"]
    try:
        _run(store, git, remote, remote.url, command, own=True)
    except RemoteError as error:
        if error.is_rejected:
            return False
        raise
    return True


def branches(store: Store, git: Git, remote: Remote) -> dict[str, str]:
    """Return the remote's branches and their commits."""
    command = ["ls-remote", "--heads", "--", remote.url]
    output = _run(store, git, remote, remote.url, command, own=True).decode("utf-8", "replace")
    words = (line.partition("\t") for line in output.splitlines())
    return {name.removeprefix("refs/heads/"): commit for commit, _, name in words if name}


def _run(store: Store, git: Git, remote: Remote, url: str, command: list[str], *, own: bool) -> bytes:
    with _environment(store, remote, url, own=own) as environment:
        try:
            code, output, errors = git.execute(*command, environment=environment, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise RemoteError(
                f"{url} took longer than {TIMEOUT:.0f} s. Look at the network, then synchronise again."
            ) from None
    if code != 0:
        raise _error(url, output + errors)
    return output


def _error(url: str, said: bytes) -> RemoteError:
    if re.search(rb"\[rejected\]|non-fast-forward|fetch first|cannot lock ref", said):
        return RemoteError(f"{url} has got other commits meanwhile.", rejected=True)
    text = " ".join(said.decode("utf-8", "replace").split())
    for pattern, reason in _REASONS:
        if re.search(pattern, said):
            return RemoteError(f"{url} cannot be used: {reason}. git says: {text[:500]}")
    return RemoteError(f"{url} cannot be used. git says: {text[:500] or 'nothing'}")


@contextlib.contextmanager
def _environment(store: Store, remote: Remote, url: str, *, own: bool) -> Iterator[dict[str, str]]:
    """Give git's variables: configuration and secrets travel in them, not in arguments."""
    options = dict(_SLOW)
    variables = {"GIT_ALLOW_PROTOCOL": f"{_PROTOCOLS}:file" if own else _PROTOCOLS}
    with contextlib.ExitStack() as stack:
        credential = git_remote.credential_for(remote, url)
        if credential and not credential.is_key:
            options |= _header(url, credential.username, store.secrets.get(credential.secret).decode())
        folder = stack.enter_context(private_folder())
        key = store.secrets.get(credential.secret) if credential and credential.is_key else None
        variables["GIT_SSH_COMMAND"] = _ssh(store, remote, folder, key)
        yield variables | _configuration(options)


def _header(url: str, username: str, token: str) -> dict[str, str]:
    parts = urlsplit(url)
    value = base64.b64encode(f"{username or 'token'}:{token}".encode()).decode()
    return {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {value}"}


def _ssh(store: Store, remote: Remote, folder: Path, key: bytes | None) -> str:
    known = folder / "known_hosts"
    words = ["ssh", "-F", os.devnull, "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
    if remote.known_hosts.strip():
        known.write_text(remote.known_hosts.strip() + "\n", encoding="utf-8")
        words += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
    else:
        words += ["-o", f"UserKnownHostsFile={store.root / 'git-known-hosts'}"]
        words += ["-o", "StrictHostKeyChecking=accept-new"]
    if key is not None:
        path = folder / "key"
        path.touch(mode=0o600)
        path.write_bytes(key)
        words += ["-i", str(path), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    return shlex.join(words)


def _configuration(options: Mapping[str, str]) -> dict[str, str]:
    found = {"GIT_CONFIG_COUNT": str(len(options))}
    for number, (name, value) in enumerate(options.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found
