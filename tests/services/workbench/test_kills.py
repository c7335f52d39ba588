"""Kills of the API server lose nothing that was acknowledged; `benchmarks.kill_proof` shows it at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill_proof import SAVES, Ledger, Proof, run
from tests.support.servers import free_port


@pytest.mark.workbench
@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    proof = Proof(tmp_path / "home", free_port(), preloaded=True)
    said: list[str] = []

    wrong = run(proof, server=5, command=0, report=said.append)

    assert wrong == []
    assert {kind for kind, _ in proof.ledger.kept} <= set(SAVES)
    assert len(proof.ledger.kept) >= 5
    assert not [text for text in proof.ledger.refused if ": 5" in text], said


def test_the_proof_notices_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = Proof.__new__(Proof)
    proof.url, proof.token = "http://127.0.0.1:9", "x"
    proof.ledger = Ledger(kept=[("file", "one"), ("file", "two")])
    monkeypatch.setattr("benchmarks.kill_proof.is_kept", lambda client, kind, name: name == "one")

    assert proof.lost() == ["two"]
