"""Git repositories over HTTP with a token, served by git's own `http-backend`."""

from __future__ import annotations

import base64
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

IDENTITY = ("-c", "user.name=Rita Remote", "-c", "user.email=rita@example.org")
_CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file:http",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=folder, env=_CLEAN, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class GitServer:
    """Bare repositories below a folder, at ``url``; whoever calls needs one of the tokens.

    :param tokens: user name -> token.
    :param seen: "user path" of each call that was admitted, "- path" of each that was not.
    :param answering: cleared, calls wait until it is set.
    """

    root: Path
    tokens: Mapping[str, str]
    url: str = ""
    seen: list[str] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    def repository(self, name: str) -> Path:
        """Make a bare repository that may be pushed to and return its path."""
        path = self.root / name
        path.mkdir(parents=True)
        git(path, "init", "--quiet", "--bare", "--initial-branch=main")
        git(path, "config", "http.receivepack", "true")
        git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
        return path

    def commit(self, name: str, files: Mapping[str, str | None], *, message: str = "change") -> str:
        """Commit files on the main branch of a repository, as somebody who works in a clone.

        The message names the server's folder: of two tests that do the same within a second, each has a
        commit of its own, so that what the one took away again is not taken away from the other.
        """
        clone = self.root / f"clone-of-{name}"
        if not clone.exists():
            git(self.root, "clone", "--quiet", str(self.root / name), str(clone))
        if git(clone, "ls-remote", "origin", "main"):
            git(clone, "fetch", "--quiet", "origin", "main")
            git(clone, "reset", "--quiet", "--hard", "origin/main")
        for path, text in files.items():
            target = clone / path
            if text is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", message, "--message", f"In {self.root}")
        git(clone, "push", "--quiet", "origin", "HEAD:main")
        return git(clone, "rev-parse", "HEAD")

    def add_submodule(self, name: str, path: str, url: str, commit: str) -> str:
        """Add a submodule to a repository without fetching it, as an address of any kind."""
        clone = self.root / f"clone-of-{name}"
        modules = clone / ".gitmodules"
        old = modules.read_text(encoding="utf-8") if modules.exists() else ""
        modules.write_text(f'{old}[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n', encoding="utf-8")
        git(clone, "add", ".gitmodules")
        git(clone, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        git(clone, "commit", "--quiet", "--message", f"add {path}")
        git(clone, "push", "--quiet", "origin", "HEAD:main")
        return git(clone, "rev-parse", "HEAD")

    def bump_submodule(self, name: str, path: str, commit: str) -> str:
        """Let a submodule name another commit."""
        clone = self.root / f"clone-of-{name}"
        git(clone, "update-index", "--cacheinfo", f"160000,{commit},{path}")
        git(clone, "commit", "--quiet", "--message", f"bump {path}")
        git(clone, "push", "--quiet", "origin", "HEAD:main")
        return git(clone, "rev-parse", "HEAD")

    def file(self, name: str, path: str) -> str:
        """Return a file of a repository's main branch."""
        return git(self.root / name, "show", f"main:{path}")


@contextmanager
def git_server(
    root: Path, tokens: Mapping[str, str], *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[GitServer]:
    """Serve the repositories below a folder; on loopback, unless it runs in a container."""
    served = GitServer(root, tokens)
    served.answering.set()

    class Handler(_Handler):
        server_of = served

    server = http.server.ThreadingHTTPServer((host, port), Handler)
    served.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        served.answering.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server_of: GitServer

    def _user(self) -> str:
        given = self.headers.get("Authorization", "")
        for user, token in self.server_of.tokens.items():
            if given == "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode():
                return user
        return ""

    def _serve(self) -> None:
        user = self._user()
        path, _, query = self.path.partition("?")
        self.server_of.seen.append(f"{user or '-'} {path}")
        self.server_of.answering.wait()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not user:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        variables = _CLEAN | {
            "GIT_PROJECT_ROOT": str(self.server_of.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": user,
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, stdout=subprocess.PIPE, check=False
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = [line.partition(": ")[::2] for line in head.decode().split("\r\n")]
        status = next((value.split()[0] for name, value in fields if name == "Status"), "200")
        self.send_response(int(status))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""
