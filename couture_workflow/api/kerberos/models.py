"""What the REST API of Kerberos takes and returns."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.history import Version


class Key(BaseModel):
    """One key of a keytab, without the key itself."""

    kvno: int = Field(description="Version of the key.")
    encryption: str = Field(description="Encryption type, such as aes256-cts-hmac-sha1-96.")
    weak: bool = Field(description="Whether the encryption type is broken or outdated.")
    made: datetime | None = Field(description="When it was put into the file; null if the file does not say.")


class Principal(BaseModel):
    """One principal of a keytab."""

    principal: str = Field(description="Such as etl@EXAMPLE.ORG.")
    kvno: int = Field(description="Version of its newest key.")
    keys: list[Key] = Field(description="Its keys.")


class Inspected(BaseModel):
    """What is in a file."""

    principals: list[Principal] = Field(description="Its principals, in the order of the file.")


class Keytab(BaseModel):
    """A keytab that is kept."""

    name: str = Field(description="Its name here.")
    principal: str = Field(description="The principal that tickets are taken for.")
    kvno: int = Field(description="Version of its newest key.")
    keys: list[Key] = Field(description="The principal's keys.")
    others: list[str] = Field(description="Other principals in the file.")
    weak: bool = Field(description="Whether all its newest keys are of weak encryption types.")
    fingerprint: str = Field(description="SHA-256 of the file.")
    uploaded_by: str = Field(description="User who uploaded it.")
    uploaded_at: datetime = Field(description="When that was.")
    default: bool = Field(description="Whether it counts where nobody names a keytab.")
    last_success: datetime | None = Field(description="When a ticket was last taken with it; null for never.")
    used_by: list[str] = Field(description="Who refers to it, in words.")


class Broken(BaseModel):
    """A keytab that cannot be read."""

    name: str = Field(description="Its name.")
    problem: str = Field(description="Why, and what to do.")


class Keytabs(BaseModel):
    """All keytabs."""

    keytabs: list[Keytab] = Field(description="Those that can be read, by name.")
    broken: list[Broken] = Field(description="The others.")


class Tried(BaseModel):
    """What came of a log-in with a keytab."""

    ok: bool = Field(description="Whether the KDC gave a ticket.")
    name: str = Field(description="The keytab.")
    principal: str = Field(description="Its principal.")
    message: str = Field(description="What happened, in sentences.")
    cause: str = Field(description="Why there is no ticket; empty if there is.")
    remedy: str = Field(description="What to do about it.")
    seconds: int = Field(description="How long the ticket was good.")
    left: str = Field(description="That time in words.")
    expires_at: datetime | None = Field(description="When the ticket ends.")
    renewable_until: datetime | None = Field(description="Until when it can be renewed; null if it cannot.")


class Remark(BaseModel):
    """Something in a krb5.conf that is wrong or worth knowing."""

    line: int = Field(description="Where, from 1; 0 for the text as a whole.")
    level: str = Field(description="error, which stops a save; warning or note.")
    message: str = Field(description="What it is and what to do.")


class Text(BaseModel):
    """A krb5.conf."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="The text, of at most 64 KiB.")


class TextSave(Text):
    """A krb5.conf to save in place of the present one."""

    message: str = Field("", max_length=2000, description="Why, for the history.")


class TextSaved(Text):
    """The krb5.conf as it is saved."""

    commit: str | None = Field(description="Version, also the ETag; null if nothing was ever saved.")
    remarks: list[Remark] = Field(description="What there is to say about it.")


class TextChecked(BaseModel):
    """What there is to say about a krb5.conf."""

    valid: bool = Field(description="Whether it could be saved.")
    text: str = Field(description="The text as it would be saved.")
    remarks: list[Remark] = Field(description="All remarks, errors first.")


class SavedText(Version):
    """One save of the krb5.conf."""
