"""JSON that is nested too deeply: refused by every page with a sentence, as other nonsense is."""

from __future__ import annotations

import pytest
from flask import Flask

from couture_workflow.web.flask_app import make_flask_app


@pytest.fixture(scope="module")
def app() -> Flask:
    return make_flask_app([])


@pytest.mark.parametrize("text", ["[" * 50_000 + "]" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000])
def test_deep_json_is_no_json(app: Flask, text: str) -> None:
    with app.test_request_context(data=text, content_type="application/json"):
        from flask import request

        assert request.get_json(silent=True) is None
    with pytest.raises(ValueError, match="nested too deeply"):
        app.json.loads(text)
