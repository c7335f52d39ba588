"""What is said of a model comes back as it was kept, also where somebody edited it by hand."""

from __future__ import annotations

import pytest

from couture_workflow.exceptions import CorruptError
from couture_workflow.services.models import document
from couture_workflow.services.models.document import About, Document


def test_a_text_comes_back_as_it_was_kept() -> None:
    found = Document(
        kind="tensorflow",
        name="net",
        description="a'b\"<&>ü\nمرحبا",
        labels={"stable": 3, "canary": 12},
        earlier={"stable": (1, 2)},
        stopped=True,
        versions={
            3: About(note="x", metrics={"auc": 0.5, "rows": 7}, run={"dag_id": "d", "try_number": 1}),
            12: About(check={"ok": True, "signatures": {"\ud800": [1, None, 2.5]}}),
        },
    )
    content = document.dump(found)
    assert document.parse("tensorflow", "net", content) == found
    assert document.dump(document.parse("tensorflow", "net", content)) == content


def test_a_text_may_be_yaml_of_any_form() -> None:
    content = b"# by hand\nversion: 1\nlabels: {stable: 2}\nversions:\n  2:\n    note: good\n"
    found = document.parse("tensorflow", "net", content)
    assert (found.labels, found.about(2).note) == ({"stable": 2}, "good")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"\xff",
        b'{"version": 2}',
        b'{"version": 1, "labels": {"../x": 1}}',
        b'{"version": 1, "versions": {"-1": {}}}',
        b'{"version": 1, "versions": {"1": []}}',
        b'{"version": 1, "labels": ' + b"[" * 100_000,
        b"a: &a [1]\nb: *a",
        b" " * (document.MOST_BYTES + 1),
    ],
)
def test_a_damaged_text_is_told_with_its_place(content: bytes) -> None:
    with pytest.raises(CorruptError, match=r"models/tensorflow/net\.yaml in the configuration .* is damaged"):
        document.parse("tensorflow", "net", content)
