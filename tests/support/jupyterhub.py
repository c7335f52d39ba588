"""A real JupyterHub of tests, with a proxy of its own: made once, in an environment beside that of the tests.

``python -m tests.support.jupyterhub`` makes the environment from ``jupyterhub.txt``; ``make test`` does so.
People's servers are started with the Jupyter runtime, which sees the hub's packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.servers import end, kept_port, wait_until_it_answers

PINS = Path(__file__).with_name("jupyterhub.txt")
TOKEN, WEAK_TOKEN = "the-token-of-the-service-of-tests", "the-token-of-a-service-that-may-nothing"
SCOPES = ["admin:users", "servers", "tokens"]
#: What the hub says of the user whose server it never starts.
NO_ROOM = "The cluster has no room for a server of 2 GB."

_CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}{base_url}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}{base_url}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.authenticator_class = "null"
c.Authenticator.username_pattern = "[a-z0-9._-]{{1,20}}$"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--log-level=WARN"]
c.Spawner.environment = {{"PYTHONPATH": {packages!r}, "PYTHONDONTWRITEBYTECODE": "1"}}
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie-secret"
c.JupyterHub.services = [
    {{"name": "couture-workflow", "api_token": {token!r}}}, {{"name": "weak", "api_token": {weak_token!r}}},
]
c.JupyterHub.load_roles = [
    {{"name": "couture-workflow", "services": ["couture-workflow"], "scopes": {scopes!r}}},
]


def refuse(spawner):
    if spawner.user.name == "admin":
        error = RuntimeError("no room")
        error.jupyterhub_message = {no_room!r}
        raise error


c.Spawner.pre_spawn_hook = refuse
"""


def environment() -> Path:
    """Return where the environment is, or will be."""
    digest = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return Path(sys.prefix) / f"jupyterhub-of-tests-{digest}"


def make() -> None:
    """Make the environment, unless it is there."""
    folder = environment()
    stamp = folder / ".complete"
    if stamp.exists():
        return
    for older in folder.parent.glob("jupyterhub-of-tests-*"):
        shutil.rmtree(older)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", PINS], check=True)
    stamp.touch()


class Hub:
    """A hub, its proxy and the servers that it starts.

    :param folder: of its database and of the homes of its users.
    :param base_url: ``c.JupyterHub.base_url``.
    """

    def __init__(self, folder: Path, *, base_url: str) -> None:
        python = jupyter_or_skip()
        if not (environment() / ".complete").exists():
            pytest.skip(f"needs JupyterHub: type {sys.executable} -m tests.support.jupyterhub")
        (packages,) = environment().glob("lib/python3.*/site-packages")
        self.folder, self.base_url, port = folder, base_url, kept_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None
        text = _CONFIG.format(
            port=port,
            hub_port=kept_port(),
            api_port=kept_port(),
            base_url=base_url,
            proxy=str(environment() / "bin" / "configurable-http-proxy"),
            homes=str(folder / "homes" / "{username}"),
            python=python,
            packages=str(packages),
            token=TOKEN,
            weak_token=WEAK_TOKEN,
            scopes=SCOPES,
            no_room=NO_ROOM,
        )
        (folder / "jupyterhub_config.py").write_text(text)

    def begin(self) -> None:
        """Start it, without waiting."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self._process = subprocess.Popen(
            [environment() / "bin" / "jupyterhub", "-f", "jupyterhub_config.py"],
            cwd=self.folder,
            env=variables,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it answers."""
        assert self._process is not None, "begin() comes first"
        address = f"{self.url}{self.base_url}hub/api/"
        wait_until_it_answers(self._process, address, name="the JupyterHub", log=self.log, seconds=120)

    def stop(self) -> None:
        """End it, its proxy and the servers."""
        if self._process is None:
            return
        end(self._process, seconds=30)
        self._process = None


if __name__ == "__main__":
    make()
