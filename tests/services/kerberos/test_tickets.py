"""Tickets from a real KDC: taken, tried, kept apart, and each failure told with its cause and remedy."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from couture_workflow.exceptions import KerberosError, NotFoundError
from couture_workflow.services.kerberos import configuration, keytabs, messages, tickets
from couture_workflow.services.kerberos.messages import Case
from couture_workflow.services.workbench import doctor
from couture_workflow.store.home import Store
from tests.services.kdc import Kdc, kdc_server
from tests.support.keytabs import keytab, older_form, record
from tests.support.servers import free_port

__all__ = ["kdc_server"]

pytestmark = pytest.mark.slow

Take = Callable[..., tickets.Ticket]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's private folder."""
    made = tmp_path / "run a'b"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def home(store: Store, kdc_server: Kdc) -> Store:
    """A store with the krb5.conf of the KDC and the keytab ``etl``."""
    configure(store, kdc_server.krb5_conf)
    keytabs.upload(store, "etl", kdc_server.keytab("etl"), user="ann")
    return store


def configure(store: Store, text: str) -> None:
    configuration.save(store, text, user="ann", base=configuration.read(store).commit)


def refused(store: Store, folder: Path, name: str | None = None, *, seconds: float = 60) -> KerberosError:
    with pytest.raises(KerberosError) as error:
        tickets.take(store, name, folder, seconds=seconds)
    assert str(error.value) == f"{error.value.cause} {error.value.remedy}"
    return error.value


def owner_of(ticket: tickets.Ticket) -> str:
    """Return whose ticket a program finds with the ticket's variables."""
    done = subprocess.run(
        ["klist"],
        env={**os.environ, **ticket.variables, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.partition("Default principal: ")[2].splitlines()[0]


def test_a_ticket_is_left_in_the_folder_for_its_owner_alone(home: Store, folder: Path) -> None:
    before = datetime.now(UTC)
    ticket = tickets.take(home, None, folder, seconds=60)

    assert (ticket.principal, ticket.name) == ("etl@LAB.TEST", "etl")
    assert ticket.variables == {"KRB5CCNAME": f"FILE:{ticket.cache}", "KRB5_CONFIG": str(ticket.krb5_conf)}
    assert owner_of(ticket) == "etl@LAB.TEST"
    assert ticket.keytab.read_bytes() == keytabs.content(home, "etl")
    assert timedelta(minutes=50) < ticket.expires_at - before < timedelta(hours=1, minutes=10)
    assert ticket.renewable_until is not None and ticket.renewable_until > ticket.expires_at
    files = sorted(folder.iterdir())
    assert files == sorted([ticket.keytab, ticket.cache, ticket.krb5_conf])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert "kdc_timesync = 0" in ticket.krb5_conf.read_text()
    last = keytabs.get(home, "etl").last_success
    assert last is not None and last >= before.replace(microsecond=0)


def test_a_ticket_is_taken_again_in_the_same_folder(home: Store, folder: Path) -> None:
    first = tickets.take(home, "etl", folder, seconds=60)
    again = tickets.take(home, "etl", folder, seconds=60)

    assert replace(again, expires_at=first.expires_at, renewable_until=first.renewable_until) == first


def test_the_older_form_of_a_keytab_is_taken_too(home: Store, folder: Path, kdc_server: Kdc) -> None:
    keytabs.upload(home, "older", older_form(kdc_server.keytab("older/node")), user="ann")

    assert owner_of(tickets.take(home, "older", folder, seconds=60)) == "older/node@LAB.TEST"


def test_two_principals_at_once_do_not_mix(home: Store, folder: Path, kdc_server: Kdc) -> None:
    both = kdc_server.keytab("ann", "bob")
    for name in ("ann", "bob"):
        keytabs.upload(home, name, both, user="ann", principal=f"{name}@LAB.TEST")
    taken: dict[str, tickets.Ticket] = {}

    def take(name: str) -> None:
        taken[name] = tickets.take(home, name, folder, seconds=60)

    threads = [threading.Thread(target=take, args=(name,)) for name in ("ann", "bob", "etl")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: owner_of(ticket) for name, ticket in taken.items()} == {
        "ann": "ann@LAB.TEST",
        "bob": "bob@LAB.TEST",
        "etl": "etl@LAB.TEST",
    }


def test_a_key_that_was_made_anew_is_told(home: Store, folder: Path, kdc_server: Kdc) -> None:
    kdc_server.keytab("etl")

    error = refused(home, folder)

    assert error.cause.startswith("The KDC does not take the key of etl@LAB.TEST: the keytab has version ")
    assert 'keytab "etl"' in error.cause
    assert "Have the KDC's administrator write a new keytab for it, and upload that." in error.remedy
    assert "kinit says: Preauthentication failed" in error.remedy


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("delprinc -force {}", "The KDC does not know the principal {}@LAB.TEST"),
        ("modprinc -allow_tix {}", "The principal {}@LAB.TEST is locked in the KDC"),
        ("modprinc -expire yesterday {}", "The principal {}@LAB.TEST has expired in the KDC"),
        ("modprinc -pwexpire yesterday {}", "The password of {}@LAB.TEST has expired in the KDC"),
    ],
)
def test_what_the_kdc_holds_against_a_principal_is_told(
    home: Store, folder: Path, kdc_server: Kdc, query: str, cause: str
) -> None:
    name = "person-" + query.split()[1].strip("-")
    keytabs.upload(home, name, kdc_server.keytab(name), user="ann")
    kdc_server.admin(query.format(name))

    error = refused(home, folder, name)

    assert error.cause.startswith(cause.format(name)), error
    assert error.remedy.partition(" kinit says: ")[0].endswith(".")


def test_a_kdc_that_is_down_is_told_with_its_address(home: Store, folder: Path, kdc_server: Kdc) -> None:
    configure(home, kdc_server.configuration(port := free_port()))

    error = refused(home, folder)

    assert f"No KDC of the realm LAB.TEST can be reached (127.0.0.1:{port})" in error.cause
    assert "firewall" in error.remedy
    assert keytabs.get(home, "etl").last_success is None


def test_a_kdc_that_is_silent_is_told_within_the_limit(home: Store, folder: Path, kdc_server: Kdc) -> None:
    with kdc_server.silent():
        error = refused(home, folder, seconds=2)

    assert "No KDC of the realm LAB.TEST answered within 2 seconds (127.0.0.1:" in error.cause
    assert "port 88" in error.remedy
    assert "kinit" not in {child.name() for child in psutil.Process().children(recursive=True)}


def test_a_clock_that_is_wrong_is_told_though_the_text_would_hide_it(
    home: Store, folder: Path, kdc_server: Kdc
) -> None:
    configure(home, kdc_server.configuration(kdc_server.port, "kdc_timesync = 1"))

    with kdc_server.skewed(3600):
        error = refused(home, folder)

    assert "The clocks of this machine and of the KDC (127.0.0.1:" in error.cause
    assert "NTP" in error.remedy


def test_a_kdc_of_another_realm_is_told(home: Store, folder: Path, kdc_server: Kdc) -> None:
    configure(home, kdc_server.krb5_conf.replace("LAB.TEST", "OTHER.TEST"))
    keytabs.upload(home, "other", keytab([record(realm="OTHER.TEST")]), user="ann")

    error = refused(home, folder, "other")

    assert "OTHER.TEST" in error.cause
    assert "[realms]" in error.remedy


def test_a_realm_without_a_kdc_is_told(home: Store, folder: Path) -> None:
    keytabs.upload(home, "lost", keytab([record(realm="LOST.TEST")]), user="ann")

    error = refused(home, folder, "lost")

    assert "No KDC of the realm LOST.TEST can be found" in error.cause
    assert "kdc = HOST below [realms] LOST.TEST = { }" in error.remedy


def test_keys_that_krb5_conf_does_not_allow_are_told(home: Store, folder: Path, kdc_server: Kdc) -> None:
    keytabs.upload(home, "k256", kdc_server.keytab("k256", enctypes="aes256-cts:normal"), user="ann")
    configure(home, kdc_server.configuration(kdc_server.port, "permitted_enctypes = aes128-cts"))

    error = refused(home, folder, "k256")

    assert "(aes256-cts-hmac-sha1-96) is of an encryption type that KDC and krb5.conf allow" in error.cause
    assert "permitted_enctypes" in error.remedy


def test_what_is_missing_here_is_told_before_anybody_is_asked(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "There is no keytab" in refused(store, folder).cause
    assert 'There is no keytab "none"' in str(refused(store, folder, "none"))
    keytabs.upload(store, "etl", keytab(), user="ann")
    assert "There is no krb5.conf" in refused(store, folder).cause
    store.config.save({configuration.PATH: b"[plugins]\n x = y\n"}, author="git", message="pushed", base=None)
    assert "[plugins] is refused" in refused(store, folder).cause
    configure(store, configuration.TEMPLATE)
    colon = tmp_path / "a:b"
    colon.mkdir()
    assert "a colon" in refused(store, colon).cause
    (tmp_path / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "kinit is not on the machine" in refused(store, folder).cause
    assert "krb5-user" in refused(store, folder).remedy
    with pytest.raises(NotFoundError):
        tickets.attempt(store, "none")


def test_a_disk_that_cannot_be_written_is_told(store: Store, tmp_path: Path) -> None:
    keytabs.upload(store, "etl", keytab(), user="ann")
    configure(store, configuration.TEMPLATE)

    error = refused(store, tmp_path / "gone")

    assert error.cause == "The keytab cannot be put into the run's folder."
    assert "cannot be written" in error.remedy


def test_a_try_tells_how_long_the_ticket_is_good_and_leaves_nothing(
    home: Store, kdc_server: Kdc, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tempfile, "tempdir", str(folder)
    )  # what other tests have at the moment is not looked at
    outcome = tickets.attempt(home, "etl", seconds=60)

    assert outcome.ok
    assert 3000 < outcome.seconds <= 3600
    assert outcome.message.startswith("The KDC gave a ticket for etl@LAB.TEST. It is good for 59 min")
    assert outcome.expires_at is not None
    kdc_server.keytab("etl")
    failed = tickets.attempt(home, "etl", seconds=60)
    assert (failed.ok, failed.seconds, failed.expires_at) == (False, 0, None)
    assert failed.message == f"{failed.cause} {failed.remedy}"
    assert list(folder.iterdir()) == []


@pytest.fixture
def witness(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kinit that writes down what it was given, and says what the file ``says`` has."""
    keytabs.upload(store, "etl", keytab([record(key=b"S" * 32)]), user="ann")
    configure(store, configuration.TEMPLATE)
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "kinit"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{place}/arguments"\nenv > "{place}/environment"\n'
        f'cat "{place}/says" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "of Airflow")
    yield place


def test_no_key_and_no_secret_of_airflow_is_in_the_command_or_its_environment(
    store: Store, folder: Path, witness: Path
) -> None:
    (witness / "says").write_text("kinit: something\nthat nobody knows while getting initial credentials\n")

    error = refused(store, folder)

    assert error.cause.startswith("kinit gave no ticket for etl@LAB.TEST")
    assert "kinit says: something that nobody knows while getting initial credentials" in error.remedy
    given = (witness / "arguments").read_text().splitlines()
    assert given[-2:] == ["--", "etl@LAB.TEST"]
    text = (witness / "arguments").read_text() + (witness / "environment").read_text()
    assert "SSSS" not in text
    assert "of Airflow" not in text
    assert "SSSS" not in str(error)


CASE = Case("etl", "etl@LAB.TEST", "LAB.TEST", 3, "aes256-cts-hmac-sha1-96", ("kdc1:88",))


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Password incorrect while getting initial credentials", "does not take the key"),
        ("KDC has no support for encryption type while getting initial credentials", "encryption type"),
        ("KDC policy rejects request while getting initial credentials", "policy"),
        ('Cannot resolve network address for KDC in realm "LAB.TEST"', "can be found"),
        ("Configuration file does not specify default realm when parsing name etl", "names no default_realm"),
        (
            "Improper format of Kerberos configuration file while initializing Kerberos 5 library",
            "cannot read",
        ),
        (
            "Unsupported key table format version number while getting initial credentials",
            "cannot read the keytab",
        ),
        ("Key table file '/x' not found while getting initial credentials", "cannot read the keytab"),
        ("No space left on device while storing credentials", "cannot write the ticket"),
        ("Response too big for UDP, retry with TCP while getting initial credentials", "UDP packet"),
        ("Realm not local to KDC while getting initial credentials", "does not serve the realm"),
        ("Server krbtgt/X@X not found in Kerberos database", "no ticket-granting service"),
        ("Clock skew too great in KDC reply while getting initial credentials", "clocks"),
    ],
)
def test_what_mit_says_else_is_told_in_words(said: str, cause: str) -> None:
    told = messages.tell(said, CASE)

    assert cause in told.cause
    for sentence in (told.cause, told.remedy):
        assert sentence.endswith(".") and "{" not in sentence.replace("{ }", "")


def test_the_doctor_names_keytabs_that_the_kdc_no_longer_takes(home: Store, kdc_server: Kdc) -> None:
    def found() -> list[str]:
        return [str(each) for each in doctor.check(home) if "free on its disk" not in each.problem]

    assert found() == []
    kdc_server.keytab("etl")
    weak = keytab([record("etl", kind=23)])
    keytabs.upload(home, "weak", weak, user="ann")

    problems = found()

    assert any(line.startswith("keytab etl: The KDC does not take the key") for line in problems)
    assert any(line.startswith("keytab weak: Its keys are of weak") for line in problems)
