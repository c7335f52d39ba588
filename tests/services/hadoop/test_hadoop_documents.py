"""Hadoop's files are read as Hadoop reads them, and can do nothing else: no DTD, no entity, no other file."""

from __future__ import annotations

import pytest

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.services.hadoop import documents
from couture_workflow.services.hadoop.documents import parse


def configuration(*properties: str) -> bytes:
    return ("<configuration>" + "".join(properties) + "</configuration>").encode()


def prop(name: str, value: str, more: str = "") -> str:
    return f"<property><name>{name}</name><value>{value}</value>{more}</property>"


def read(*properties: str) -> dict[str, str]:
    found = parse(configuration(*properties), name="core-site.xml")
    return {name: each.value for name, each in found.effective().items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("<property name='a' value='1'/>", {"a": "1"}, id="attributes"),
        pytest.param(prop(" a ", " 1 "), {"a": " 1 "}, id="only names are trimmed"),
        pytest.param("<property><value>1</value></property>", {}, id="no name"),
        pytest.param("<property><name>a</name></property>", {}, id="no value"),
        pytest.param("<property><name>a</name><value/></property>", {}, id="empty value"),
        pytest.param(prop("a", "1<!-- x -->3"), {"a": "13"}, id="comment in a value"),
        pytest.param(prop("a", "1<![CDATA[&<]]>3"), {"a": "1&<3"}, id="CDATA"),
        pytest.param(prop("a", "1") + prop("a", "2"), {"a": "2"}, id="the later one"),
        pytest.param(prop("a", "1", "<final>true</final>") + prop("a", "2"), {"a": "1"}, id="final"),
        pytest.param(
            prop("a", "1", "<final> true </final>") + prop("a", "2"), {"a": "2"}, id="final with blanks"
        ),
        pytest.param(prop("a", "1", "<final>TRUE</final>") + prop("a", "2"), {"a": "2"}, id="final TRUE"),
        pytest.param(
            "<property><name>a</name><value>1</value><value>2</value></property>", {"a": "2"}, id="two values"
        ),
        pytest.param("<name>a</name><value>1</value>", {}, id="outside of a property"),
        pytest.param(
            "<x:property xmlns:x='u'><x:name>a</x:name><x:value>1</x:value></x:property>", {"a": "1"}
        ),
        pytest.param(prop("a", "&#60;ü&amp;"), {"a": "<ü&"}, id="characters"),
    ],
)
def test_properties_are_what_hadoop_3_5_loads(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><configuration>&b;</configuration>', "document type"),
        (b'<!DOCTYPE a SYSTEM "http://x/y.dtd"><configuration/>', "document type"),
        (
            b"<configuration xmlns:xi='http://www.w3.org/2001/XInclude'>"
            b"<xi:include href='file:///etc/passwd'/></configuration>",
            "includes another file",
        ),
        (b"<configuration><include href='x'/></configuration>", "includes another file"),
        (b"<configuration>&nosuch;</configuration>", "undefined entity"),
        (b"<configuration>", "no element found"),
        (b"", "no element found"),
        (b"hello", "syntax error"),
        (b"\x00\xff", "not well-formed"),
        (b"<a>" * 33 + b"</a>" * 33, "deeper than 32"),
        (b"<a>" * 100_000, "deeper than 32"),
        (configuration(prop("a", "<b>1</b>")), "inside of <value>"),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><configuration>ü</configuration>".encode("latin-1"),
            "encoding is .iso-8859-1.",
        ),
        (b"<?xml version='1.0' encoding='utf-16'?><configuration/>", "Save it in UTF-8"),
        (configuration(*(prop("a", "1") for _ in range(20_001))), "more than 20,000 properties"),
    ],
)
def test_what_is_refused_names_the_file_and_the_rule(content: bytes, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as refused:
        parse(content, name="x'y.xml")

    assert "x'y.xml" in str(refused.value)


def test_an_error_tells_line_and_column() -> None:
    with pytest.raises(InvalidError, match="line 2, column 5 "):
        parse(b"<configuration>\n  </property>\n</configuration>", name="a.xml")


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(TooLargeError, match="1,048,576 bytes"):
        parse(b"<" * (documents.MOST_BYTES + 1), name="a.xml")


@pytest.mark.parametrize("encoding", ["UTF-8", "us-ascii", "ISO-8859-1"])
def test_plain_ascii_is_read_whatever_like_it_the_file_says(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<?xml-stylesheet href="c.xsl"?>\n'

    assert parse(text.encode() + configuration(prop("a", "1")), name="a.xml").properties[0].value == "1"


def test_what_hadoop_would_not_load_is_remarked_with_its_line() -> None:
    found = parse(
        b"<configuration>\n<property><name>a</name></property>\n<name>b</name>\n"
        b"<property><name>c</name><value>1</value><final> true</final></property></configuration>",
        name="a.xml",
    )

    assert [remark.line for remark in found.remarks] == [2, 3, 4]
    assert "a has no value" in str(found.remarks[0])


def test_places_are_the_bytes_of_each_value_wherever_it_stands() -> None:
    content = (
        "<configuration><!-- ü <property><name>old</name><value>0</value></property> -->"
        "<property value='1&lt;' name = \"ü\" />"
        "<property><name>b</name><value >2<![CDATA[<]]></value></property>"
        "<property><name>c</name><value><!-- x -->3</value></property></configuration>"
    ).encode()

    places = parse(content, name="a.xml").places

    assert [(place.name, place.kind, place.text) for place in places] == [
        ("old", "comment", "0"),
        ("ü", "attribute", "1<"),
        ("b", "value", "2<"),
        ("c", "value", "3"),
    ]
    assert [content[place.start : place.end] for place in places] == [
        b"0",
        b"1&lt;",
        b"2<![CDATA[<]]>",
        b"<!-- x -->3",
    ]
