"""The page *Developer > Spark Configuration*: what every new Spark job starts from."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, g, jsonify, request

from couture_workflow.permissions import EDIT, READ, SPARK_CONFIGURATION, Permission
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import draft as spark_draft
from couture_workflow.services.spark import preflight as spark_preflight
from couture_workflow.services.spark.document import DEFAULT, Document, changes
from couture_workflow.services.spark.options import known
from couture_workflow.views.base import CouturePage, expose, message_of, requires, sent
from couture_workflow.views.history import read_part
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

CAN_READ = Permission(READ, SPARK_CONFIGURATION)
CAN_EDIT = Permission(EDIT, SPARK_CONFIGURATION)


class SparkConfigurationPage(CouturePage):
    """The page and the calls that its script makes."""

    route_base = "/spark-configuration"
    title = "Spark Configuration"
    summary = "Arguments, configurations, jars and Python files that every Spark job starts from."
    icon = "sliders"
    group = "Run"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the configuration; ``?restore=<version>`` opens it with an earlier one to review."""
        saved = spark_configuration.read(store())
        state = spark_draft.page_state(store(), saved, restore=request.args.get("restore"))
        newest = spark_configuration.history(store(), limit=1)
        return self.page(
            "spark/configuration.html",
            saved=saved,
            newest=newest[0] if newest else None,
            state=json.dumps({**state, "user": g.user.get_name()}),
            command=spark_draft.preview(saved),
            can_edit=CAN_EDIT,
        )

    @expose("/history")
    @requires(CAN_READ)
    def history(self) -> str:
        """Show who changed what and when."""
        history = read_part(partial(spark_configuration.history, store()))
        return self.page("spark/history.html", history=history, can_edit=CAN_EDIT)

    @expose("/history/<commit>")
    @requires(CAN_READ)
    def version(self, commit: str) -> Response:
        """Return what one version changed."""
        before = request.args.get("before")
        old = spark_configuration.read(store(), commit=before) if before else DEFAULT
        new = spark_configuration.read(store(), commit=commit)
        return jsonify(changes=[asdict(change) for change in changes(old, new)])

    @expose("/options")
    @requires(CAN_READ)
    def options(self) -> Response:
        """Return what Spark knows of its arguments and configurations."""
        options = known()
        answer = jsonify(
            arguments=[_slim(option) for option in options.arguments.values()],
            configurations=[_slim(option) for option in options.configurations.values()],
        )
        answer.headers["Cache-Control"] = "private, max-age=86400"
        return answer

    @expose("/files")
    @requires(CAN_READ)
    def files(self) -> Response:
        """Return the uploaded dependencies that fit a list and a search."""
        section, search = request.args.get("section", ""), request.args.get("search", "")
        return jsonify(files=spark_draft.find_files(store(), section, search=search))

    @expose("/check", methods=["POST"])
    @requires(CAN_EDIT)
    def check(self) -> Response:
        """Return what there is to say about a draft, the command that it gives and what it changes."""
        draft = spark_draft.read_draft(store(), sent())
        return jsonify(
            remarks=[asdict(remark) for remark in draft.remarks],
            command=spark_draft.preview(draft.document),
            changes=[asdict(change) for change in changes(_base(draft.document), draft.document)],
            newest=spark_configuration.read(store()).commit,
        )

    @expose("/preflight", methods=["POST"])
    @requires(CAN_EDIT)
    def preflight(self) -> Response:
        """Try what a job with the saved configuration needs."""
        found = spark_preflight.check(store())
        return jsonify(
            passed=found.passed, command=found.command, checks=[asdict(each) for each in found.checks]
        )

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save a draft."""
        payload = sent()
        draft = spark_draft.read_draft(store(), payload)
        if not draft.is_valid:
            return jsonify(saved=None, remarks=[asdict(remark) for remark in draft.remarks])
        saved = spark_configuration.write(
            store(),
            draft.document,
            user=g.user.get_name(),
            base=draft.document.commit,
            message=message_of(payload),
        )
        made = [asdict(change) for change in changes(_base(draft.document), saved)]
        if made:
            audit("spark_configuration.save", g.user, commit=saved.commit, changes=made)
        return jsonify(saved=spark_draft.as_rows(saved), remarks=[asdict(remark) for remark in draft.remarks])

    @expose("/carry", methods=["POST"])
    @requires(CAN_EDIT)
    def carry(self) -> Response:
        """Return a draft carried over what others saved meanwhile, and what they changed."""
        draft = spark_draft.read_draft(store(), sent())
        rebased = spark_draft.rebase(store(), draft.document)
        newest = spark_configuration.history(store(), limit=1)
        return jsonify(
            rows=spark_draft.as_rows(rebased.document),
            saved=spark_draft.as_rows(spark_configuration.read(store())),
            files=spark_draft.file_versions(store(), rebased.document),
            theirs=[asdict(change) for change in rebased.theirs],
            clashes=[asdict(change) for change in rebased.clashes],
            author=newest[0].author if newest else "",
            when=newest[0].when.isoformat() if newest else "",
            message=newest[0].message if newest else "",
        )


def _base(document: Document) -> Document:
    return spark_configuration.read(store(), commit=document.commit) if document.commit else DEFAULT


def _slim(option: Any) -> dict[str, Any]:
    """Return an option without what is empty."""
    return {name: value for name, value in asdict(option).items() if value not in ("", (), None, False)}
