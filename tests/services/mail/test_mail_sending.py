"""Mails to a real SMTP server: log-in, encryption, and what a refusal says."""

from __future__ import annotations

import socket
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from couture_workflow.exceptions import CorruptError, MailError
from couture_workflow.services.mail import backend, configuration
from couture_workflow.services.mail.document import Server
from couture_workflow.store.home import Store
from tests.services.slapd import make_certificates
from tests.support.mail import mail_server

HOSTILE = "a'b\"<&>ü"
PASSWORD = "s3cret ü"
LINK = '<br>Log: <a class="x" href="http://localhost/a?b=1&amp;c=2">Link</a><br>'


def server(port: int, **others: object) -> Server:
    given = Server(host="localhost", port=port, security="none", sender="Airflow <airflow@example.org>")
    return replace(given, timeout=60, **others)  # type: ignore[arg-type]


def send(to: Server, password: str = "") -> str:
    talk = backend.send(to, password, to=["ann@example.org"], subject=HOSTILE, body=f"<p>{HOSTILE}</p>{LINK}")
    assert PASSWORD not in "\n".join(talk.lines)
    return talk.answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost that this machine does not trust."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


def test_a_mail_arrives_and_the_servers_own_answer_is_returned() -> None:
    with mail_server() as (port, mails):
        assert send(server(port)) == "250 2.0.0 queued as 4711"

    [mail] = [message_from_bytes(each.encode(), policy=policy.default) for each in mails]
    assert (mail["From"], mail["To"]) == ("Airflow <airflow@example.org>", "ann@example.org")
    assert mail["Subject"] == HOSTILE
    assert mail.get_body(("html",)).get_content().strip() == f"<p>{HOSTILE}</p>{LINK}"
    plain = mail.get_body(("plain",)).get_content()
    assert plain.startswith("a'b")
    assert plain.split("\n")[-2].strip() == "Log: Link: http://localhost/a?b=1&c=2"


def test_links_lead_to_the_port_of_this_airflow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    monkeypatch.setenv("AIRFLOW__API__PORT", "18080")
    with mail_server() as (port, mails):
        configuration.save(store, server(port), typed="", user="ann", base=None)
        backend.send_email("ann@example.org", "x", '<a href="http://localhost:8080/dags/x">Link</a>')

    [mail] = [message_from_bytes(each.encode(), policy=policy.default) for each in mails]
    assert mail.get_body(("plain",)).get_content().strip() == "Link: http://localhost:18080/dags/x"


def test_who_is_not_written_in_ascii_keeps_no_mail_from_the_others() -> None:
    to = ["Jürgen <ann@example.org>", "bob@exämple.org", "ünï@example.org"]
    with mail_server() as (port, mails):
        talk = backend.send(server(port), "", to=to, subject=HOSTILE, body="<p>1</p>")
        with pytest.raises(MailError, match="takes no mail for these addresses"):
            backend.send(server(port), "", to=to[2:], subject=HOSTILE, body="<p>2</p>")

    receivers = [line for line in talk.lines if line.startswith("> rcpt")]
    assert receivers == ["> rcpt TO:<ann@example.org>", "> rcpt TO:<bob@xn--exmple-cua.org>"]
    assert talk.refused.startswith("ünï@example.org: 553 this server takes no address with other characters")
    [mail] = [message_from_bytes(each.encode(), policy=policy.default) for each in mails]
    assert str(mail["To"]) == "Jürgen <ann@example.org>, bob@xn--exmple-cua.org"


@pytest.mark.parametrize("encrypted", [False, True], ids=["starttls", "tls"])
def test_log_in_over_an_encrypted_connection(certificate: Path, encrypted: bool) -> None:
    accounts = {"airflow": PASSWORD}
    security = "tls" if encrypted else "starttls"
    with mail_server(accounts=accounts, certificate=certificate, encrypted=encrypted) as (port, mails):
        trusting = server(port, security=security, user="airflow", verify=False)
        assert send(trusting, PASSWORD).startswith("250")
        assert len(mails) == 1

        with pytest.raises(MailError, match=r"The certificate of localhost:\d+ is not trusted here"):
            send(replace(trusting, verify=True), PASSWORD)
        with pytest.raises(MailError, match="refused the user name or the password of airflow") as refused:
            send(trusting, "wrong")
    assert "535 5.7.8 who are you" in str(refused.value)
    assert not any("wrong" in line or "d3Jvbmc" in line for line in refused.value.talk)
    assert len(mails) == 1


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, "takes no mail for these addresses"),
        ({"MAIL": "553 5.7.1 not yours"}, "takes no mail from Airflow <airflow@example.org>"),
        ({"DATA": "452 4.3.1 disk is full"}, "did not take the mail"),
    ],
    ids=["receiver", "sender", "data"],
)
def test_a_refusal_says_what_the_server_said(refuse: dict[str, str], said: str) -> None:
    with mail_server(refuse=refuse) as (port, mails), pytest.raises(MailError) as error:
        send(server(port))

    [words] = refuse.values()
    assert said in str(error.value)
    assert words in str(error.value)
    assert words in error.value.talk
    assert not mails


def test_what_keeps_from_the_server_is_told() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(MailError, match="Nothing listens at localhost:"):
            send(server(nobody.getsockname()[1]))
    with pytest.raises(MailError, match="The name no-such-host.invalid cannot be resolved"):
        send(replace(server(25), host="no-such-host.invalid"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(MailError, match="did not answer within 1 seconds"):
            send(replace(server(silent.getsockname()[1]), timeout=1))
    with mail_server() as (port, _), pytest.raises(MailError, match="does not speak TLS in this way"):
        send(server(port, security="tls"))
    with mail_server() as (port, _), pytest.raises(MailError, match="cannot do what the settings ask for"):
        send(server(port, security="starttls"))


def test_a_server_that_falls_silent_or_ends_is_told_and_what_it_took_is_sent() -> None:
    with mail_server(refuse={"RCPT": None}) as (port, _), pytest.raises(MailError) as silent:
        send(replace(server(port), timeout=1))
    assert "did not answer within 1 seconds" in str(silent.value)
    assert (silent.value.away, silent.value.talk[-1]) == (True, "> rcpt TO:<ann@example.org>")
    with mail_server(refuse={"DATA": ""}) as (port, _), pytest.raises(MailError) as ended:
        send(server(port))
    assert "ended the connection" in str(ended.value)
    assert not ended.value.away
    with mail_server(refuse={"QUIT": "421 4.3.2 going down"}) as (port, mails):
        assert send(server(port)) == "250 2.0.0 queued as 4711"
        assert len(mails) == 1


@pytest.mark.parametrize(
    "wrong",
    ["a@", "a@b\nBcc: x@example.org", "<a@b", "a b@c.d", "a@[1", pytest.param("\ud800@b.c", id="surrogate")],
)
def test_what_is_no_address_keeps_nobody_else_from_the_mail(wrong: str) -> None:
    with mail_server() as (port, mails):
        told = {"subject": "x", "body": "x"}
        talk = backend.send(server(port), "", to=["Ann <ann@example.org>", wrong], **told)
        assert talk.refused == f"{wrong!r} is no address"
        assert message_from_bytes(mails[0].encode())["To"] == "Ann <ann@example.org>"
        with pytest.raises(MailError, match="There is nobody to send the mail to"):
            backend.send(server(port), "", to=[wrong], **told)
    assert len(mails) == 1


def test_airflow_sends_through_the_saved_server_and_options_go_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def airflow_sends() -> None:
        backend.send_email("ann@example.org; bob@example.org", "It failed", "<b>why</b>", bcc="c@example.org")

    with mail_server() as (port, mails), mail_server() as (other, others):
        configuration.save(store, server(port), typed="", user="ann", base=None)
        airflow_sends()
        assert [message_from_bytes(each.encode())["To"] for each in mails] == [
            "ann@example.org, bob@example.org"
        ]

        for name, value in {"host": "localhost", "port": str(other), "security": "none"}.items():
            monkeypatch.setenv(f"AIRFLOW__COUTURE_WORKFLOW__SMTP_{name.upper()}", value)
        monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SMTP_FROM", "options@example.org")
        airflow_sends()
        assert [message_from_bytes(each.encode())["From"] for each in others] == ["options@example.org"]
        assert len(mails) == 1


def test_a_password_goes_to_no_other_server(store: Store) -> None:
    known = server(2525, user="airflow")
    first = configuration.save(store, known, typed=PASSWORD, user="ann", base=None)
    assert configuration.current(store).password == PASSWORD
    assert PASSWORD not in repr(configuration.current(store))

    assert configuration.password(store, replace(known, host="elsewhere")) == ""
    assert configuration.password(store, replace(known, user="somebody")) == ""
    assert configuration.save(store, known, typed="", user="ann", base=first.commit).server == known
    assert not any(PASSWORD.encode() in path.read_bytes() for path in store.secrets.folder.iterdir())


def test_what_the_start_of_containers_names_is_saved_once(store: Store) -> None:
    given = {
        "host": "smtp.example.org",
        "port": "",
        "security": "tls",
        "user": "a",
        "sender": "a@example.org",
    }

    def take_over(**others: str) -> bool:
        return configuration.take_over(
            store, {**given, **others}, typed=PASSWORD, user="x", message="Set in .env"
        )

    assert [take_over(), take_over(), take_over(port="2465"), take_over(port="2465")] == [
        True,
        False,
        True,
        False,
    ]
    found = configuration.current(store)
    assert (found.server.port, found.server.security, found.password) == (2465, "tls", PASSWORD)


def test_a_damaged_file_is_told_and_can_be_saved_over(store: Store) -> None:
    store.config.save({"mail.yaml": b"host: [\n"}, author="x", message="x", base=store.config.head())

    shown = configuration.to_show(store)
    assert "mail.yaml in the configuration repository is damaged" in shown.problem
    with pytest.raises(CorruptError):
        configuration.current(store)

    configuration.save(store, server(25), typed="", user="ann", base=shown.commit)
    assert configuration.to_show(store).server == server(25)
