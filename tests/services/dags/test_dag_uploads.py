"""Uploads of DAG files: what is unpacked, refused, left out, and where it goes."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable

import pytest

from couture_workflow.exceptions import CoutureError, InvalidError, InvalidNameError, TooLargeError
from couture_workflow.services.dags import uploads as dag_uploads
from couture_workflow.services.dags.uploads import receive

HOSTILE = "a'b\"<&>ü.py"


def packed(
    members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda member: None
) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            change(member)
            archive.writestr(member, data)
    return content.getvalue()


def test_files_folders_and_archives_go_below_the_folder_chosen() -> None:
    archive = packed({"pkg/__init__.py": b"", "pkg/sql/q.sql": b"select 1", "empty/": b""})

    found = receive([("a.py", b"x = 1"), ("dir/b.yaml", b"k: 1"), ("all.zip", archive)], folder="team")

    assert found.changes == {
        "team/a.py": b"x = 1",
        "team/dir/b.yaml": b"k: 1",
        "team/pkg/__init__.py": b"",
        "team/pkg/sql/q.sql": b"select 1",
    }
    assert [file.source for file in found.files][2:] == ["all.zip!pkg/__init__.py", "all.zip!pkg/sql/q.sql"]


def test_caches_and_folders_of_tools_are_left_out_and_named() -> None:
    litter = ["__pycache__/a.cpython-311.pyc", "pkg/.git/config", "__MACOSX/._a.py", ".DS_Store", "a.pyc"]

    found = receive([(name, b"x") for name in [*litter, "a.py", ".airflowignore"]])

    assert list(found.changes) == ["a.py", ".airflowignore"]
    assert list(found.left_out) == litter


def test_hostile_name_is_refused_with_a_name_that_would_do_and_leaves_the_others_alone() -> None:
    found = receive([(HOSTILE, b"1"), ("good.py", b"2")])

    (refused, good) = found.files
    assert found.changes == {"good.py": b"2"}
    assert refused.refused.startswith('The path "a\'b"<&>ü.py" is refused.')
    assert refused.suggestion == "a_b_ü.py"
    again = receive([(HOSTILE, b"1"), ("good.py", b"2")], names={HOSTILE: refused.suggestion})
    assert again.changes == {"a_b_ü.py": b"1", "good.py": b"2"}
    assert receive([(HOSTILE, b"1"), ("good.py", b"2")], skip=[HOSTILE]).files == (good,)


@pytest.mark.parametrize(
    "name", ["../a.py", "/etc/passwd", "a/../../b.py", "a\\b.py", "", "a//b.py", ".git/x"]
)
def test_paths_that_lead_elsewhere_are_refused(name: str) -> None:
    assert receive([(name, b"x")]).changes == {}


def test_names_that_differ_in_case_or_form_alone_are_refused() -> None:
    found = receive(
        [("Report.py", b"1"), ("u\u0308ber.py", b"2"), ("new.py", b"3")], present=["report.py", "über.py"]
    )

    assert found.changes == {"über.py": b"2", "new.py": b"3"}
    assert "differs in nothing but case" in found.files[0].refused
    assert found.files[0].suggestion == "report.py"


def test_a_path_that_comes_twice_is_refused_both_times() -> None:
    found = receive([("a.py", b"1"), ("x.zip", packed({"a.py": b"2"})), ("b.py", b"3")])

    assert found.changes == {"b.py": b"3"}
    assert [bool(file.refused) for file in found.files] == [True, True, False]


def test_folder_with_a_bad_name_is_refused() -> None:
    with pytest.raises(InvalidNameError, match=r'The path "\.\./x" is refused'):
        receive([("a.py", b"1")], folder="../x")


def link(member: zipfile.ZipInfo) -> None:
    member.external_attr = (stat.S_IFLNK | 0o777) << 16


BAD_ARCHIVES = {
    "parent": (packed({"../evil.py": b"x"}), InvalidError, "leads out of the archive"),
    "inner-parent": (packed({"a/../../evil.py": b"x"}), InvalidError, "leads out of the archive"),
    "absolute": (packed({"/etc/evil.py": b"x"}), InvalidError, "leads out of the archive"),
    "drive": (packed({"C:/evil.py": b"x"}), InvalidError, "leads out of the archive"),
    "link": (packed({"link.py": b"/etc/passwd"}, link), InvalidError, "a link or a device"),
    "bomb": (packed({"zeros.py": b"\0" * 20 * 2**20}), InvalidError, "unpacks to more than 200 times"),
    "no-zip": (b"PK not at all", InvalidError, "not a sound zip archive"),
    "half": (packed({"a.py": b"x" * 5000})[:-40], InvalidError, "not a sound zip archive"),
    "empty-file": (b"", InvalidError, "not a sound zip archive"),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archive_is_refused_as_a_whole(name: str) -> None:
    content, kind, reason = BAD_ARCHIVES[name]

    with pytest.raises(kind, match=reason) as caught:
        receive([("good.py", b"1"), ("bad.zip", content)])
    assert str(caught.value).startswith('"bad.zip" is refused')


def test_damaged_member_is_refused() -> None:
    content = bytearray(packed({"a.py": bytes(range(256)) * 40}))
    content[60] ^= 0xFF

    with pytest.raises(InvalidError, match="not a sound zip archive"):
        receive([("bad.zip", bytes(content))])


def test_encrypted_archive_is_refused() -> None:
    content = bytearray(packed({"a.py": b"x"}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1

    with pytest.raises(InvalidError, match="it is encrypted"):
        receive([("bad.zip", bytes(content))])


def test_member_that_is_larger_than_it_says_is_refused() -> None:
    content = bytearray(packed({"a.py": b"x" * 5000}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (10).to_bytes(4, "little")

    with pytest.raises(InvalidError, match="not a sound zip archive"):
        receive([("bad.zip", bytes(content))])


def test_upload_over_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_uploads, "MOST_FILES", 3)
    monkeypatch.setattr(dag_uploads, "MOST_BYTES", 1000)
    many = {f"{number}.py": b"" for number in range(4)}

    for sent in ([("x.zip", packed(many))], list(many.items()), [("x.py", b"#" * 1001)]):
        with pytest.raises(TooLargeError):
            receive(sent)
    big = packed({"a.py": bytes(range(250)) * 4, "b.py": b"x"})
    with pytest.raises(CoutureError, match="the limits are 3 files"):
        receive([("x.zip", big)])
