"""The JSON of a DAG file that is sent: a few texts, and nothing else is ever made of it."""

from __future__ import annotations

import json

import pytest

from couture_workflow.api.dags.body import texts


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": ""},
        {"content": "a'b\"<&>\\ü\n\u2028 [1, {", "encoding": "utf-8", "message": "\ud800\0"},
    ],
)
def test_what_any_parser_reads_is_read(sent: dict[str, str]) -> None:
    for indent in (None, 2):
        for escaped in (True, False):
            assert texts(json.dumps(sent, indent=indent, ensure_ascii=escaped)) == sent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        '"content"',
        '{"content"}',
        '{"content": "x"',
        '{"content": "x",}',
        '{"content": "x"} 1',
        '{"content": "x\n"}',
        '{"content": ["x"]}',
        '{"content": 1e400}',
        '{"content": "x", "content": "y"}',
        "[" * 100_000,
        json.dumps({str(number): "" for number in range(11)}),
    ],
)
def test_what_is_no_object_of_texts_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        texts(text)
