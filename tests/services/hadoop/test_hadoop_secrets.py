"""Secrets in Hadoop's XML: masked on the way out, filled on the way in, in time that grows with the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.hadoop.documents import parse
from couture_workflow.services.hadoop.secrets import (
    compared,
    is_secret,
    opened,
    sealed,
    with_secrets,
    without_secrets,
)
from couture_workflow.store.secrets import MASK, Secrets

XML = b"""<?xml version="1.0"?>
<configuration>
  <property><name>fs.defaultFS</name><value>hdfs://a</value></property>
  <property>
    <name> a.password </name>
    <value>x &lt; y</value>
    <final>true</final>
  </property>
  <property><name>empty.secret</name><value/></property>
</configuration>
"""


def test_a_secret_is_masked_and_nothing_else_changes() -> None:
    shown, names = without_secrets(XML)

    assert shown == XML.replace(b"x &lt; y", MASK.encode())
    assert names == ("a.password",)


def test_a_mask_is_filled_with_the_secret_that_is_here() -> None:
    shown, _ = without_secrets(XML)

    assert with_secrets(shown, XML) == (XML, ())
    assert with_secrets(shown, b"")[1] == ("a.password",)


@pytest.mark.parametrize(
    "text",
    [
        "<property>" * 100_000,
        "<property" * 100_000,
        "<property><name>" * 60_000,
        "<property><name>" + " " * 1_000_000 + "</property>",
        "<property><value" + "<" * 1_000_000,
    ],
)
def test_a_text_made_to_take_long_is_done_before_the_time_limit_of_a_test(text: str) -> None:
    assert without_secrets(text.encode()) == (text.encode(), ())
    assert with_secrets(text.encode(), text.encode()) == (text.encode(), ())  # it was minutes


WHEREVER = b"""<configuration>
<!-- <property><name>old.password</name><value>in a comment</value></property> -->
<property name="fs.s3a.secret.key" value='in "an" attribute'/>
<property><name>x.password</name><value><![CDATA[in <CDATA>]]></value></property>
<property><name>x.password</name><value>&quot;twice</value></property>
<property><name>dfs.block.access.token.enable</name><value>true</value></property>
</configuration>"""
HIDDEN = (b"in a comment", b"attribute", b"CDATA>", b"twice")


@pytest.fixture
def keys(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path, Fernet.generate_key().decode())


def test_a_secret_is_hidden_wherever_it_stands(keys: Secrets) -> None:
    kept = sealed(keys, WHEREVER, b"")

    for content in (without_secrets(WHEREVER)[0], kept, without_secrets(kept)[0]):
        assert not any(secret in content for secret in HIDDEN)
        assert b"<value>true</value>" in content


def test_sealed_secrets_open_to_what_was_typed(keys: Secrets) -> None:
    found = parse(opened(keys, sealed(keys, WHEREVER, b"")), name="a.xml")

    values = [each.value for each in found.properties]
    assert values == ['in "an" attribute', "in <CDATA>", '"twice', "true"]


def test_a_secret_that_stays_keeps_its_seal_and_another_one_gets_a_new_one(keys: Secrets) -> None:
    kept = sealed(keys, WHEREVER, b"")
    typed = without_secrets(kept)[0].replace(b"true", b"false")

    filled, wanting = with_secrets(typed, kept)
    again = sealed(keys, filled, kept)

    assert wanting == ()
    assert again == kept.replace(b"true", b"false")
    assert sealed(keys, WHEREVER.replace(b"in a comment", MASK.encode()), kept) == kept
    other = sealed(keys, WHEREVER.replace(b"twice", b"thrice"), kept)
    assert other != kept
    assert b"(new)" in compared(WHEREVER.replace(b"twice", b"thrice"), kept)
    assert b"(new)" not in compared(filled, kept)


def test_a_seal_that_is_not_ours_is_refused(keys: Secrets) -> None:
    foreign = WHEREVER.replace(b"&quot;twice", b"sealed:" + Fernet.generate_key())

    with pytest.raises(InvalidError, match="Type the secret itself"):
        sealed(keys, foreign, b"")


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("fs.s3a.secret.key", True),
        ("fs.s3a.bucket.x.access.key", True),
        ("fs.s3a.session.token", True),
        ("fs.azure.account.key.acct.dfs.core.windows.net", True),
        ("fs.azure.account.oauth2.client.secret", True),
        ("fs.azure.sas.c.acct.blob.core.windows.net", True),
        ("ssl.server.keystore.keypassword", True),
        ("javax.jdo.option.ConnectionPassword", True),
        ("hadoop.zk.auth", True),
        ("hadoop.security.group.mapping.ldap.bind.password", True),
        ("hadoop.security.group.mapping.ldap.bind.password.file", False),
        ("hadoop.http.authentication.signature.secret.file", False),
        ("dfs.block.access.token.enable", False),
        ("hadoop.security.credential.provider.path", False),
        ("dfs.encryption.key.provider.uri", False),
        ("yarn.resourcemanager.delegation.token.renew-interval", False),
        ("fs.defaultFS", False),
    ],
)
def test_what_is_a_secret_is_told_by_the_name(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
