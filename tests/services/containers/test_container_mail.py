"""The mail server that ``.env`` names is saved when the containers start; a wrong one stops no start."""

from __future__ import annotations

import pytest

from couture_workflow.services.containers import init
from couture_workflow.services.mail import configuration
from couture_workflow.store.home import Store

PASSWORD = 's3$cret"ü'


def test_the_server_of_the_variables_is_saved_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def start(**given: str) -> None:
        for name, variable in init.MAIL_VARIABLES.items():
            monkeypatch.setenv(variable, given.get(name, ""))
        init.take_over_mail(store, said.append)

    start()
    assert configuration.read(store).commit is None
    given = {"host": "smtp.example.org", "user": "air", "password": PASSWORD, "sender": "a@example.org"}
    for _ in range(2):
        start(**given)
    assert said == ["Mails go through smtp.example.org now."]
    found = configuration.current(store)
    assert (found.server.port, found.server.security, found.password) == (587, "starttls", PASSWORD)

    start(**given, port="70000")
    assert "The mail server of .env is not used: port must be" in said[-1]
    assert configuration.current(store) == found
