"""Configuration of one person's Jupyter server, read by Jupyter itself (``--config``).

It is reached through Airflow's API server alone. That tells who is there by a header that the host's private
key has signed, good for a minute; this process has the public key, so code in notebooks can sign nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jwt
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.base.handlers import AuthenticatedFileHandler

_GIVEN: dict[str, Any] = json.loads(
    Path(os.environ.pop("COUTURE_JUPYTER_SERVER")).read_text(encoding="utf-8")
)
_LAB = Path(__file__).parent / "lab"


class HeaderIdentity(IdentityProvider):  # type: ignore[misc]
    """Believes the signed header and nothing else."""

    def get_user(self, handler: Any) -> User | None:
        """Return who calls, None for anybody but the owner."""
        try:
            claims = jwt.decode(
                handler.request.headers.get("X-Couture-User", ""),
                _GIVEN["public_key"],
                algorithms=["EdDSA"],
                audience=_GIVEN["base_path"],
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.InvalidTokenError:
            return None
        if claims["sub"] != _GIVEN["user"]:
            return None
        user = User(username=_GIVEN["user"], name=_GIVEN["user"], display_name=_GIVEN["user"])
        if not handler.get_cookie("_xsrf"):
            handler.current_user = user
            handler.xsrf_token  # noqa: B018 - reading it sets the cookie
        return user

    def is_token_authenticated(self, handler: Any) -> bool:
        """Say no, so that the check of ``_xsrf`` stays on."""
        return False

    @property
    def auth_enabled(self) -> bool:
        """Say yes, though there is neither token nor password."""
        return True


class LinkedFiles(AuthenticatedFileHandler):  # type: ignore[misc]
    """Gives files out: the folders below the root are links, which tornado would not follow out of it."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        """Look at a file below a link as at one whose root is what the link leads to."""
        name, _, rest = os.path.relpath(absolute_path, root).partition("/")
        link = Path(root, name)
        if name not in (".", "..") and link.is_symlink():
            root = os.path.realpath(link)
            absolute_path = str(Path(root, rest))
        path: str = super().validate_absolute_path(root, absolute_path)
        return path


c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821 - Jupyter gives it
c.ServerApp.identity_provider_class = HeaderIdentity
c.IdentityProvider.token = ""
c.ServerApp.base_url = _GIVEN["base_url"]
c.ServerApp.sock = _GIVEN["socket"]
c.ServerApp.sock_mode = _GIVEN["socket_mode"]
c.ServerApp.allow_root = os.geteuid() == 0
c.ServerApp.open_browser = False
c.ServerApp.allow_remote_access = True  # the host that the browser names is the API server's
c.ServerApp.trust_xheaders = True
c.ServerApp.root_dir = _GIVEN["root"]
c.ServerApp.preferred_dir = _GIVEN["preferred"]
c.ServerApp.quit_button = False
c.ServerApp.jpserver_extensions = {"jupyter_lsp": False}  # looks for language servers with npm at each start
c.ServerApp.log_level = 30
c.ContentsManager.allow_hidden = False
c.ContentsManager.files_handler_class = LinkedFiles
c.MappingKernelManager.cull_idle_timeout = _GIVEN["idle"]
c.MappingKernelManager.cull_interval = max(1, min(60, _GIVEN["idle"] // 4))
c.MappingKernelManager.cull_connected = False
c.KernelManager.transport = "ipc"  # no port of a kernel for others to try
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 1e8
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 1e5
c.LabApp.collaborative = False
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.extra_labextensions_path = [str(_LAB / "extensions")]
c.LabApp.app_settings_dir = str(_LAB / "settings")
