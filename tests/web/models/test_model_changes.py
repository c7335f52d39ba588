"""Changes of models that wait for the model server leave threads for everybody else."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from couture_workflow.exceptions import InUseError
from couture_workflow.web.models import changes


class Account:
    def get_name(self) -> str:
        return "ada"


def test_only_some_changes_wait_at_once() -> None:
    with ExitStack() as under_way:
        for _ in range(changes.MOST_AT_ONCE):
            under_way.enter_context(changes.slot())
        with pytest.raises(InUseError, match="8 models are being loaded or changed already"):
            changes.promote("tensorflow", "net", Account(), version=1, label="stable")
    with changes.slot():
        pass
