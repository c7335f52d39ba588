"""The doctor names Hadoop groups that no client could use as they are."""

from __future__ import annotations

from couture_workflow.services.hadoop import files, groups, index
from couture_workflow.services.hadoop.index import Index
from couture_workflow.services.workbench import doctor
from couture_workflow.store.home import Store

CORE = b"<configuration><property><name>fs.defaultFS</name><value>hdfs://a</value></property></configuration>"


def findings(store: Store) -> list[str]:
    return [str(each) for each in doctor.check(store) if str(each.path).startswith("Hadoop group")]


def test_a_group_without_core_site_a_damaged_file_and_a_keytab_that_is_gone_are_named(store: Store) -> None:
    for name in ("good", "bare", "odd"):
        groups.add(store, name, user="ann")
    files.save(store, "good", {"core-site.xml": CORE}, user="ann")
    assert [text.partition(":")[0] for text in findings(store)] == ["Hadoop group bare", "Hadoop group odd"]

    broken = {
        "hadoop/odd/core-site.xml": b"<x",
        index.PATH: index.dump(Index("good", {"good": "etl", "bare": ""})),
    }
    store.config.save(dict(broken), author="x", message="x", base=store.config.head())

    bare, good, odd = findings(store)
    assert "It has no core-site.xml" in bare and "Upload the one of the cluster" in bare
    assert "asks for the keytab etl, which is not here" in good
    assert "not well-formed" in odd and "Correct or delete the file" in odd
