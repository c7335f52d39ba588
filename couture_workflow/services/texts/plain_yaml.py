"""YAML from outside: plain data only, so that a small text stays small and cannot crash its reader."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Safe data without aliases: nested ones turn a few lines into gigabytes of text."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "write the value out; an alias such as *name is not supported", mark
            )
        return super().compose_node(parent, index)


def load(text: str) -> Any:
    """Return the data of a YAML text or raise ``yaml.YAMLError``."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
