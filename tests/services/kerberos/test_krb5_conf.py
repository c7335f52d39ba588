"""The krb5.conf: its grammar, what is refused, what a run gets of it, and its history."""

from __future__ import annotations

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.services.kerberos import conf_text, configuration
from couture_workflow.services.kerberos.conf_text import check, for_run, parse
from couture_workflow.store.home import Store

GOOD = """\
# a comment
[libdefaults]
    default_realm = LAB.TEST
    dns_lookup_kdc = false
    kdc_timesync = 1
    default_ccache_name = KEYRING:persistent:%{uid}

; another
[realms]
    LAB.TEST = {
        kdc = kdc1.lab.test
        kdc = "kdc2.lab.test:88"
        auth_to_local = RULE:[1:$1@$0](.*@LAB)s/@.*//
    }
[domain_realm]
    .lab.test = LAB.TEST
"""


def messages(text: str, level: str) -> list[str]:
    return [remark.message for remark in check(text) if remark.level == level]


def test_sections_relations_and_quotes_are_read() -> None:
    found = parse(GOOD)

    assert found.errors == ()
    assert found.values("libdefaults", "default_realm") == ("LAB.TEST",)
    assert found.values("realms", "LAB.TEST", "kdc") == ("kdc1.lab.test", "kdc2.lab.test:88")
    assert found.realms() == ("LAB.TEST",)
    assert conf_text.kdcs(GOOD, "LAB.TEST") == ("kdc1.lab.test", "kdc2.lab.test:88")
    assert messages(GOOD, "error") == []


def test_a_brace_may_stand_on_a_line_of_its_own() -> None:
    assert parse("[realms]\n X =\n {\n kdc = a\n }*\n").values("realms", "X", "kdc") == ("a",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1", "Line 1: x stands before the first [section]."),
        ("[realms]\n X = {\n kdc = a\n", "Line 2: The { of X is never closed."),
        ("[realms]\n X = {\n[libdefaults]\n", "Line 2: The { of X is not closed before [libdefaults]."),
        ("[realms]\n }\n", "Line 2: There is no { that this } closes."),
        ("[libdefaults]\n default_realm\n", "Line 2: This is none of [section]"),
        ("[libdefaults]\n default realm = X\n", "Line 2: This is none of [section]"),
        ("[libdefaults]\n a =\n b = 1\n", "Line 2: a has no value."),
        ("[libdefaults]\n a =", "Line 2: a has no value."),
        ("[lib[defaults]\n", "Line 1: This is none of [section]"),
        ("include /etc/krb5.conf.d/x\n[libdefaults]\n a = b\n", "Line 1: include is refused"),
        ("includedir /etc/krb5.conf.d/\n", "Line 1: includedir is refused"),
        ("module /tmp/evil.so:x\n", "Line 1: module is refused"),
        ("[plugins]\n clpreauth = {\n module = x:/tmp/evil.so\n }\n", "[plugins] is refused: it loads code"),
        ("[libdefaults]\n plugin_base_dir = /tmp\n", "plugin_base_dir is refused: it loads code"),
        (
            "[realms]\n X = {\n pkinit_identities = PKCS11:/tmp/evil.so\n }\n",
            "pkinit_identities is refused: it loads code",
        ),
        ("[appdefaults]\n a = {\n plugin_base_dir = /tmp\n }\n", "plugin_base_dir is refused"),
        ("", "The text says nothing."),
        ("# nothing\n[libdefaults]\n", "The text says nothing."),
        ("[libdefaults]\n a = b\0\n", "control characters"),
        ("[libdefaults]\n a = \ud800\n", "control characters"),
        ("[a]\n" + "x = {\n" * 20, "at most 8 deep"),
        ("[libdefaults]\n" + "a = b\n" * 20_000, "longer than 64 KiB"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(store: Store, text: str, error: str) -> None:
    assert any(error in message for message in messages(text, "error")), check(text)
    with pytest.raises(InvalidError):
        configuration.save(store, text, user="ann", base=None)
    assert configuration.read(store).text == ""


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[libdefaults]\n rdns = false\n", "There is no default_realm"),
        (
            "[libdefaults]\n default_realm = X\n dns_lookup_kdc = false\n",
            "The realm X has no kdc in [realms], and dns_lookup_kdc is off",
        ),
        ("[libdefaults]\n allow_weak_crypto = Yes\n", "Line 2: allow_weak_crypto lets tickets be broken"),
        (
            "[libdefaults]\n permitted_enctypes = aes256-cts rc4-hmac\n",
            "Line 2: rc4-hmac in permitted_enctypes",
        ),
        (
            "[libdefaults]\n default_tkt_enctypes = des-cbc-crc\n",
            "des-cbc-crc in default_tkt_enctypes is weak",
        ),
        ("[libdefault]\n a = b\n", "Line 1: Kerberos knows no section [libdefault]."),
    ],
)
def test_what_is_risky_is_told_and_can_be_saved(store: Store, text: str, warning: str) -> None:
    assert any(warning in message for message in messages(text, "warning")), check(text)
    configuration.save(store, text, user="ann", base=None)


def test_what_is_worth_knowing_is_told() -> None:
    notes = messages("[libdefaults]\n default_realm = lab\n kdc_timesync = 1\n[kdc]\n a = b\n", "note")

    assert [note.partition(".")[0] for note in notes] == [
        "The realm lab has no kdc in [realms]: DNS is asked for it",
        "The realm lab is not in capitals",
        "Line 3: kdc_timesync is left out for jobs, which have a cache of their own and are told of a wrong "
        "clock",
        "Line 4: [kdc] is for servers",
    ]
    assert messages("[libdefaults]\n permitted_enctypes = aes256-cts\n", "warning")[1:] == []


def test_a_run_gets_a_clock_that_is_told_a_cache_of_its_own_and_a_java_that_does_not_wait() -> None:
    found = parse(for_run(GOOD))

    assert found.errors == ()
    assert found.values("libdefaults", "kdc_timesync") == ("0",)
    assert found.values("libdefaults", "default_ccache_name") == ()
    assert found.values("libdefaults", "kdc_timeout") == ("3000",)
    assert found.values("libdefaults", "max_retries") == ("1",)
    assert found.values("libdefaults", "default_realm") == ("LAB.TEST",)
    assert found.values("realms", "LAB.TEST", "kdc") == ("kdc1.lab.test", "kdc2.lab.test:88")


def test_what_is_said_of_javas_patience_is_kept_and_a_text_without_defaults_gets_them() -> None:
    said = parse(for_run("[libdefaults]\n kdc_timeout = 9\n max_retries = 5\n"))
    none = parse(for_run("[realms]\n X = {\n kdc = a\n }\n"))

    assert said.values("libdefaults", "kdc_timeout") == ("9",)
    assert said.values("libdefaults", "max_retries") == ("5",)
    assert none.values("libdefaults", "kdc_timesync") == ("0",)
    assert none.values("realms", "X", "kdc") == ("a",)


def test_a_save_is_a_version_with_an_author(store: Store) -> None:
    assert configuration.read(store) == configuration.Configuration("", None)

    first = configuration.save(store, GOOD.replace("\n", "\r\n") + "\n\n", user="ann", base=None)
    second = configuration.save(store, GOOD + "# more\n", user="bob", base=first.commit, message="Because")

    assert first.text == GOOD
    assert configuration.read(store) == second
    assert configuration.read(store, commit=first.commit).text == GOOD
    assert [(each.author, each.message) for each in configuration.history(store)] == [
        ("bob", "Because"),
        ("ann", "Add krb5.conf"),
    ]
    assert configuration.save(store, second.text, user="ann", base=second.commit) == second


def test_two_who_save_at_once_are_told_apart(store: Store) -> None:
    first = configuration.save(store, GOOD, user="ann", base=None)
    configuration.save(store, GOOD + "# bob\n", user="bob", base=first.commit)

    with pytest.raises(ConflictError, match="Somebody else saved krb5.conf"):
        configuration.save(store, GOOD + "# ann\n", user="ann", base=first.commit)
    with pytest.raises(ConflictError):
        configuration.save(store, GOOD + "# ann\n", user="ann", base=None)


def test_one_that_was_deleted_by_git_counts_as_none(store: Store) -> None:
    first = configuration.save(store, GOOD, user="ann", base=None)
    store.config.save({configuration.PATH: None}, author="git", message="Delete", base=first.commit)

    gone = configuration.read(store)
    assert gone.text == ""
    with pytest.raises(NotFoundError):
        configuration.read(store, commit=gone.commit)
    assert configuration.save(store, GOOD, user="ann", base=gone.commit).text == GOOD


def test_the_template_is_sound() -> None:
    assert [remark for remark in check(configuration.TEMPLATE) if remark.level != "note"] == []
