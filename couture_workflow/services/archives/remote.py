"""What a workbench elsewhere is asked over its REST API: exports, imports, a look at its git remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from couture_workflow.exceptions import CoutureError, InvalidError
from couture_workflow.services.archives.import_export import Noun
from couture_workflow.store.blobs import CHUNK

#: Seconds without a byte after which the other side counts as gone; the save gate may think for long.
_TIMEOUT = httpx.Timeout(600.0, connect=30.0)

#: Is told the bytes that were moved since it was called last.
Progress = Callable[[int], None]


class Remote:
    """A workbench elsewhere.

    :param url: its address, as a browser shows it, such as ``https://workflow.example.org``.
    :param auth: user name and password, or None.
    :param token: a token of ``POST /auth/token``, or "".
    """

    def __init__(self, url: str, *, auth: tuple[str, str] | None = None, token: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidError(f"{url!r} is no address. It begins with http:// or https://.", field="url")
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(auth=auth, headers=headers, timeout=_TIMEOUT)

    def download(self, noun: Noun, *, progress: Progress) -> Iterator[bytes]:
        """Give the bytes of an export."""
        try:
            with self._client.stream("GET", f"{self._url}/api/{noun}/") as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise self._refused(answer)
                for piece in answer.iter_raw():
                    progress(len(piece))
                    yield piece
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def upload(
        self, noun: Noun, path: Path, *, choices: Mapping[str, Any], progress: Progress
    ) -> tuple[dict[str, Any], CoutureError | None]:
        """Send an archive and return the plan, and why it was refused or None.

        :param choices: query parameters of the import.
        """

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as source:
                while piece := source.read(CHUNK):
                    yield piece
                    progress(len(piece))

        headers = {"Content-Type": "application/gzip", "Content-Length": str(path.stat().st_size)}
        try:
            answer = self._client.post(
                f"{self._url}/api/{noun}/",
                content=pieces(),
                params={name: str(value).lower() for name, value in choices.items()},
                headers=headers,
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        body = self._json(answer)
        if answer.status_code == 200:
            return body, None
        refusal = self._refused(answer)
        if "plan" not in body:
            raise refusal
        gate = {"passed": False, "problems": body.get("problems", [])} if "problems" in body else None
        return {**body["plan"], "gate": gate, "applied": False, "commit": ""}, refusal

    def reload(self, *, since: str = "") -> tuple[dict[str, Any], bool]:
        """Let it look at its git remote; return what it found, and whether the look has ended.

        :param since: the commit to count changes from, "" for the present one.
        """
        answer = self._post("/api/git-remote/reload", params={"since": since} if since else {})
        if answer.status_code not in (200, 202):
            raise self._refused(answer)
        return self._json(answer), answer.status_code == 200

    def call_hook(self) -> None:
        """Ask it for a look at its git remote, as a git server does; the token is the web hook's secret."""
        answer = self._post("/api/git-remote/hook")
        if answer.status_code != 202:
            raise self._refused(answer)

    def _post(self, path: str, *, params: Mapping[str, str] | None = None) -> httpx.Response:
        try:
            return self._client.post(f"{self._url}{path}", params=params)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _refused(self, answer: httpx.Response) -> CoutureError:
        detail = self._json(answer).get("detail")
        return CoutureError(f"{detail or f'{self._url} answered {answer.status_code}. Check the address.'}")

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        return body if isinstance(body, dict) else {}

    def _unreachable(self, error: httpx.HTTPError) -> CoutureError:
        return CoutureError(f"{self._url} cannot be reached: {error}. Check the address and the connection.")
