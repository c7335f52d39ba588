"""What the REST API of schedules takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a whole number is wanted, and true and false are none")
    return value


#: A whole number; true would else be taken for 1.
Whole = Annotated[int, BeforeValidator(_no_truth)]


class WhenModel(BaseModel):
    """When a notebook runs."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["now", "at", "cron"] = Field("now", description="Once now, once at a time, or by cron.")
    at: str = Field("", description='Of "at": an ISO time, in the time zone if it has no offset.')
    cron: str = Field("", description='Of "cron": five fields, or a word such as @daily.')
    zone: str = Field("UTC", description="Time zone, such as Europe/Berlin.")


def _now() -> WhenModel:
    return WhenModel(kind="now", at="", cron="", zone="UTC")


class FormModel(BaseModel):
    """A schedule as somebody wants it."""

    model_config = ConfigDict(extra="forbid")

    notebook: str = Field("", description="Path below the folder of all notebooks, such as ann/report.ipynb.")
    name: str = Field("", description="Name of the schedule and id of its DAG.")
    when: WhenModel = Field(default_factory=_now, description="When it runs.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Values by name.")
    types: dict[str, str] = Field(
        default_factory=dict,
        description="How the text of a value is meant, by name: int, float, bool, str, date, list, dict or "
        "None. Left out, it is as in the notebook.",
    )
    kernel: str = Field("", description="Name of the kernel, empty for the one that the notebook names.")
    retries: Whole = Field(0, description="How often a run that failed is tried again.")
    time_limit: Whole = Field(0, description="Seconds that a run may take, 0 for no limit.")
    email: str = Field("", description="Addresses, separated by commas, that get a mail when a run fails.")
    html: Literal["none", "code", "results"] = Field(
        "none", description="Write the output as a page too: with the code, or the results alone."
    )
    files: list[str] = Field(
        default_factory=list, description="Files that go with it: paths from the notebook's folder."
    )
    keep_outputs: Whole = Field(30, description="Of how many runs the outputs are kept, 0 for all.")
    keep_days: Whole = Field(0, description="For how many days outputs are kept, 0 for ever.")
    tags: list[str] = Field(default_factory=list, description="Tags of the DAG.")
    owner: str = Field("", description="Owner of the DAG; empty for whoever saves.")


class ChangeModel(FormModel):
    """A new form for a schedule."""

    base: str | None = Field(None, description="The commit that was read, so that others' saves are noticed.")
    replace_edited: bool = Field(
        False, description="Write the DAG file anew although somebody changed it by hand."
    )


class CheckModel(FormModel):
    """A form that is looked at and not saved."""

    changes: str = Field("", description="Name of the schedule that it would change, empty for a new one.")


class FindingModel(BaseModel):
    """What is wrong with a field, or worth to know of it."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(description="Such as name, when.cron or parameters.rows.")
    message: str = Field(description="The sentence to be shown beside it.")
    level: str = Field(description="error or warning.")


class ParameterModel(BaseModel):
    """A parameter of a notebook."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Its name.")
    type: str = Field(description="int, float, bool, str, date, list, dict, None, or any.")
    default: Any = Field(description="Its value in the notebook, null where that is no literal.")
    literal: bool = Field(description="Whether the default is its value; if not, the notebook computes it.")
    code: str = Field(description="The default as it is written.")
    help: str = Field(description="The comment beside it.")


class BesideModel(BaseModel):
    """A file that could go with a notebook."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(description="Path from the notebook's folder.")
    size: int = Field(description="Size in bytes.")


class KernelModel(BaseModel):
    """A kernel that is installed."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Its name.")
    title: str = Field(description="What it is called for people.")
    language: str = Field(description="Language of its code.")


class DocumentModel(BaseModel):
    """A notebook."""

    path: str = Field(description="Path below the folder of all notebooks.")
    sha256: str = Field(description="Hash of its content.")
    size: int = Field(description="Size in bytes.")
    format: str = Field(description="Format of notebooks that it has, such as 4.5.")
    kernel: str = Field(description="Kernel that it names, empty for none.")
    language: str = Field(description="Language of its code, empty if it does not say.")
    cells: int = Field(description="How many cells it has.")
    has_parameters: bool = Field(description="Whether a cell is tagged parameters.")
    parameters: list[ParameterModel] = Field(description="What that cell assigns.")
    problem: str = Field(description="Why its parameters cannot be read, empty if they can.")
    files: list[BesideModel] = Field(description="Files that could go with it.")
    kernels: list[KernelModel] = Field(description="Kernels that are installed.")


class CheckedModel(BaseModel):
    """What was found of a form."""

    findings: list[FindingModel] = Field(description="What is wrong, field by field; and warnings.")
    passed: bool = Field(description="Whether it could be saved.")
    words: str = Field(description="What its time means, empty if it is wrong.")
    times: list[str] = Field(description="The next five times, in its time zone.")


class SavedModel(BaseModel):
    """What a save did."""

    name: str = Field(description="Name of the schedule and id of its DAG.")
    commit: str = Field(description="The commit that it became.")
    findings: list[FindingModel] = Field(description="Warnings about the form.")
    problems: list[dict[str, Any]] = Field(description="What the save gate has to say; warnings.")


class OriginModel(BaseModel):
    """Where a pinned copy came from."""

    model_config = ConfigDict(from_attributes=True)

    account: str = Field(description="Who saved the schedule last.")
    pinned_by: str = Field(description="Who took the copy.")
    source: str = Field(description="Path of the notebook below the folder of all notebooks.")
    sha256: str = Field(description="Hash of the notebook when it was copied.")
    saved_at: str = Field(description="When the schedule was saved last.")
    pinned_at: str = Field(description="When the copy was taken.")


class LastRunModel(BaseModel):
    """The newest run."""

    run_id: str = Field(description="Id of the DAG run.")
    state: str = Field(description="State that Airflow has for it.")
    start: str | None = Field(description="When it started.")
    end: str | None = Field(description="When it ended.")


class ScheduleModel(BaseModel):
    """A schedule."""

    name: str = Field(description="Its name.")
    dag_id: str = Field(description="Id of its DAG.")
    form: FormModel = Field(description="What it does.")
    origin: OriginModel = Field(description="Where its copy of the notebook came from.")
    path: str = Field(description="The DAG file in the repository.")
    edited: bool = Field(description="Whether somebody changed the DAG file by hand.")
    problem: str = Field(description="Why what its schedule.json says is not used, empty if it is.")
    unknown: list[str] = Field(description="Fields that cannot be read from a changed file.")
    commit: str = Field(description="The version that it was read from: the base of a change.")
    words: str = Field(description="When it runs, in words.")
    state: str = Field(description="waiting until Airflow has read the DAG, error if it could not, or ready.")
    error: str = Field(description="Why Airflow could not read the DAG.")
    paused: bool = Field(description="Whether it is paused.")
    next_run: str | None = Field(description="When it runs next, null if it does not.")
    last_run: LastRunModel | None = Field(description="Its newest run, null if there is none.")
    copy_state: str = Field(
        description="same, behind, gone, hidden (somebody else's) or unknown; empty if not asked for."
    )


class ScheduleDetails(ScheduleModel):
    """A schedule with what its pinned notebook takes."""

    parameters: list[ParameterModel] = Field(description="Parameters of the pinned notebook.")
    files: list[BesideModel] = Field(description="Files that were pinned with it.")


class CellModel(BaseModel):
    """A cell that differs."""

    model_config = ConfigDict(from_attributes=True)

    change: str = Field(description="added, removed or changed.")
    number: int = Field(description="Number of the cell; of a removed one, in the copy.")
    kind: str = Field(description="code, markdown or raw.")
    old: str = Field(description="Its source in the copy.")
    new: str = Field(description="Its source now.")
    diff: str = Field(description="Lines that differ, in the unified form.")


class BehindModel(BaseModel):
    """How a copy and its notebook differ."""

    state: str = Field(description="same, behind, gone, hidden or unknown.")
    message: str = Field(description="A sentence about it.")
    cells: list[CellModel] = Field(description="Cells that differ.")
    more: int = Field(description="Cells that differ and are not listed.")
    files: list[str] = Field(description="Files beside it that differ or are gone.")
    source: str = Field(description="The notebook that an update of the copy would take; empty for none.")
    taken: list[str] = Field(description="Files beside it that it would take too.")


class RunModel(BaseModel):
    """A run at once."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Values in place of the schedule's own; they are taken literally."
    )
    types: dict[str, str] = Field(default_factory=dict, description="How the text of a value is meant.")


class StartedModel(BaseModel):
    """A run that was started."""

    dag_id: str = Field(description="Id of the DAG.")
    run_id: str = Field(description="Id of the DAG run.")
    paused: bool = Field(description="Whether the DAG is paused: then the run waits.")


class PauseModel(BaseModel):
    """Whether it is to be paused."""

    model_config = ConfigDict(extra="forbid")

    paused: bool = Field(True, description="false to let it run again.")


class PausedModel(BaseModel):
    """Whether it is paused."""

    name: str = Field(description="Name of the schedule.")
    paused: bool = Field(description="Whether it is paused now.")
