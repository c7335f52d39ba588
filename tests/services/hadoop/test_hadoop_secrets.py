"""Secrets in Hadoop's XML: masked on the way out, filled on the way in, in time that grows with the text."""

from __future__ import annotations

import time

import pytest

from couture_workflow.services.hadoop.secrets import with_secrets, without_secrets
from couture_workflow.store.secrets import MASK

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
def test_time_grows_with_the_text_and_no_faster(text: str) -> None:
    began = time.process_time()

    assert without_secrets(text.encode()) == (text.encode(), ())
    assert with_secrets(text.encode(), text.encode()) == (text.encode(), ())

    assert time.process_time() - began < 10  # it was minutes
