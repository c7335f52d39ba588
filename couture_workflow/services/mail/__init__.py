"""Mail: the one server that all mails go through, where its settings come from, and the sending."""

__all__ = ["backend", "configuration", "document"]
