"""A running product as its users reach it: an address, log-ins, a user for each role."""

from __future__ import annotations

import time

import httpx
from playwright.sync_api import Page

PASSWORD = "a password for tests 7'\"<&>"
#: The users besides superadmin, by the name that tests call them; the name is also the log-in name.
ROLES = {
    "admin": "Admin",
    "developer": "Developer",
    "user": "User",
    "op": "Op",
    "viewer": "Viewer",
    "public": "Public",
    "deployer": "Deployer",
}


class Site:
    """What every running product has: an address, and ``clients`` by the name of their user."""

    clients: dict[str, httpx.Client]

    @property
    def url(self) -> str:
        """Address, without a slash at the end."""
        raise NotImplementedError

    @property
    def admin_password(self) -> str:
        """Password of the user superadmin."""
        raise NotImplementedError

    def password(self, name: str) -> str:
        """Return the password of a user."""
        return self.admin_password if name == "superadmin" else PASSWORD

    def token(self, name: str) -> str:
        """Return a bearer token of a user."""
        account = {"username": name, "password": self.password(name)}
        answer = httpx.post(f"{self.url}/auth/token", json=account, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["access_token"])

    def client(self, role: str) -> httpx.Client:
        """Return an HTTP client that is logged in as the user of a role, or anonymous for ""."""
        if role not in self.clients:
            headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
            self.clients[role] = httpx.Client(base_url=self.url, headers=headers, timeout=60)
        return self.clients[role]

    def close(self) -> None:
        """Close all clients."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    def login(self, page: Page, role: str) -> None:
        """Log a browser page in as the user of a role, through the log-in form.

        Flask-AppBuilder lets five log-ins of one address through in 40 seconds.
        """
        deadline = time.monotonic() + 60
        while True:
            page.goto(f"{self.url}/auth/login/")
            page.locator("input[name=username]").fill(role)
            page.locator("input[name=password]").fill(self.password(role))
            with page.expect_navigation() as done:
                page.locator("input[type=submit], button[type=submit]").first.click()
            if done.value is None or done.value.status != 429:
                return
            assert time.monotonic() < deadline, "too many log-ins"
            time.sleep(5)

    def create_users(self) -> None:
        """Create the user of each role, where it is not there yet."""
        admin = self.client("superadmin")
        for name, role in ROLES.items():
            answer = admin.post(
                "/auth/fab/v1/users",
                json={
                    "username": name,
                    "first_name": name,
                    "last_name": "a'b\"<&>ü",
                    "email": f"{name}@example.org",
                    "password": PASSWORD,
                    "roles": [{"name": role}],
                },
            )
            assert answer.status_code in {200, 409}, (role, answer.text)
