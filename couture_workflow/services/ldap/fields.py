"""The settings of *Admin > LDAP Configuration* as data: each with its kind, default, help and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Value = str | bool | int | tuple[str, ...] | Mapping[str, tuple[str, ...]]
Kind = Literal["choice", "text", "flag", "number", "names", "mapping", "secret"]

DATABASE, LDAP = "database", "ldap"
#: Who always logs in with a password of this installation, unless others are named.
LOCAL_ACCOUNT = "superadmin"
PASSWORD = "AUTH_LDAP_BIND_PASSWORD"  # noqa: S105 (the name of the setting)
#: Seconds that a step of a log-in may wait for the directory.
LEAST_SECONDS, MOST_SECONDS, SECONDS = 1, 30, 2


@dataclass(frozen=True)
class Group:
    """Settings that belong together.

    :param summary: one sentence for the page.
    """

    name: str
    title: str
    summary: str


@dataclass(frozen=True)
class Field:
    """One setting.

    :param default: what it is until somebody saves another value.
    :param active_directory: what the defaults for Active Directory set, None to leave it as it is.
    :param openldap: likewise for OpenLDAP.
    :param example: what a value looks like; with ``example_ad`` for Active Directory.
    """

    name: str
    group: str
    label: str
    help: str
    kind: Kind = "text"
    default: Value = ""
    active_directory: Value | None = None
    openldap: Value | None = None
    example: str = ""
    example_ad: str = ""

    @property
    def is_ours(self) -> bool:
        """Tell whether Flask-AppBuilder knows no such setting."""
        return self.name in ("LOCAL_ACCOUNTS", "LDAP_TIMEOUT", "AUTH_LDAP_GROUP_SEARCH")


GROUPS = (
    Group("log-in", "Log-in", "Who is asked when somebody logs in."),
    Group("directory", "Directory", "Where the directory is and how the connection is protected."),
    Group("certificates", "Certificates", "Files on the machine of the API server, by their absolute path."),
    Group(
        "person",
        "How a person is found",
        "Either a service account searches for the person, who is then bound by the name that was found; "
        "or the person is bound at once, by a name that is made from the user name.",
    ),
    Group("attributes", "What is read of a person", "Names of attributes. They fill in a new account."),
    Group(
        "roles",
        "Accounts and roles",
        "Who gets an account here at the first log-in, and which roles groups of the directory give.",
    ),
)

FIELDS = (
    Field(
        "AUTH_TYPE",
        "log-in",
        "Log-in by",
        "database: accounts and passwords of this installation. ldap: the directory below.",
        kind="choice",
        default=DATABASE,
    ),
    Field(
        "LOCAL_ACCOUNTS",
        "log-in",
        "Local accounts",
        "They log in with their password of this installation and the directory is never asked for them: the "
        "administrator for the day on which it does not answer, and accounts of programs. Everybody else "
        "is known by the directory alone. Separate them by commas.",
        kind="names",
        default=(LOCAL_ACCOUNT,),
        example=LOCAL_ACCOUNT,
    ),
    Field(
        "LDAP_TIMEOUT",
        "log-in",
        "Patience in seconds",
        "A directory that says nothing for that long is given up, so that no log-in hangs. Each of "
        "several servers has that long.",
        kind="number",
        default=SECONDS,
    ),
    Field(
        "AUTH_LDAP_SERVER",
        "directory",
        "Server",
        "ldap://host or ldaps://host, with :port where it is another than 389 or 636. Several, separated by "
        "blanks, are tried in this order. The host must be a name that the certificate has.",
        example="ldap://ldap.example.com",
        example_ad="ldap://dc1.corp.example.com",
    ),
    Field(
        "AUTH_LDAP_USE_TLS",
        "directory",
        "STARTTLS",
        "Encrypt a connection that began with ldap://. Not with ldaps://, which is encrypted from its "
        "first byte.",
        kind="flag",
        default=True,
        active_directory=True,
        openldap=True,
    ),
    Field(
        "AUTH_LDAP_TLS_DEMAND",
        "directory",
        "Demand a trusted certificate",
        "Refuse a directory whose certificate is of no known authority, or has another name.",
        kind="flag",
        default=True,
        active_directory=True,
        openldap=True,
    ),
    Field(
        "AUTH_LDAP_ALLOW_SELF_SIGNED",
        "directory",
        "Accept any certificate",
        "Also a self-signed one, and that of somebody in between who reads every password. For a trial "
        "only: name the authority's certificate below instead.",
        kind="flag",
        default=False,
        active_directory=False,
        openldap=False,
    ),
    Field(
        "AUTH_LDAP_TLS_CACERTFILE",
        "certificates",
        "File with the authorities' certificates",
        "PEM. Empty: the authorities that the machine trusts.",
        example="/etc/ssl/certs/company-ca.pem",
    ),
    Field(
        "AUTH_LDAP_TLS_CACERTDIR",
        "certificates",
        "Folder with the authorities' certificates",
        "In place of the file: one PEM file for each, named by its hash as openssl rehash does.",
        example="/etc/ssl/certs",
    ),
    Field(
        "AUTH_LDAP_TLS_CERTFILE",
        "certificates",
        "Certificate of this installation",
        "PEM; for a directory that asks its clients for one.",
        example="/etc/ssl/couture/client.pem",
    ),
    Field(
        "AUTH_LDAP_TLS_KEYFILE",
        "certificates",
        "Its private key",
        "PEM, without a password, readable for the API server alone.",
        example="/etc/ssl/couture/client.key",
    ),
    Field(
        "AUTH_LDAP_BIND_USER",
        "person",
        "Service account",
        "Its full name in the directory. It needs to read people and groups, nothing else. Empty: the "
        "person is bound at once.",
        example="cn=airflow,ou=services,dc=example,dc=com",
        example_ad="CN=svc-airflow,OU=Services,DC=corp,DC=example,DC=com",
    ),
    Field(
        PASSWORD,
        "person",
        "Password of the service account",
        "Kept encrypted, never shown, in no export. It is for this server and this account: type it "
        "again when one of them changes.",
        kind="secret",
    ),
    Field(
        "AUTH_LDAP_SEARCH",
        "person",
        "Search people below",
        "Full name of the branch of the directory that people are in.",
        example="ou=people,dc=example,dc=com",
        example_ad="DC=corp,DC=example,DC=com",
    ),
    Field(
        "AUTH_LDAP_SEARCH_FILTER",
        "person",
        "Only people who fit",
        "An LDAP filter in brackets that a person must fit as well. Empty: everybody in the branch.",
        active_directory="(&(objectCategory=person)(objectClass=user)"
        "(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        openldap="(objectClass=inetOrgPerson)",
        example="(objectClass=inetOrgPerson)",
        example_ad="(objectClass=user)",
    ),
    Field(
        "AUTH_LDAP_UID_FIELD",
        "person",
        "Attribute of the user name",
        "What people type at the log-in.",
        default="uid",
        active_directory="sAMAccountName",
        openldap="uid",
    ),
    Field(
        "AUTH_LDAP_APPEND_DOMAIN",
        "person",
        "Domain to append",
        "Without a service account: alice is bound as alice@DOMAIN, as Active Directory likes it.",
        example="example.com",
        example_ad="corp.example.com",
    ),
    Field(
        "AUTH_LDAP_USERNAME_FORMAT",
        "person",
        "Name to bind with",
        "Without a service account: the full name with %s where the user name goes.",
        example="uid=%s,ou=people,dc=example,dc=com",
        example_ad="CORP\\%s",
    ),
    Field(
        "AUTH_LDAP_FIRSTNAME_FIELD",
        "attributes",
        "First name",
        "",
        default="givenName",
        active_directory="givenName",
        openldap="givenName",
    ),
    Field(
        "AUTH_LDAP_LASTNAME_FIELD",
        "attributes",
        "Last name",
        "",
        default="sn",
        active_directory="sn",
        openldap="sn",
    ),
    Field(
        "AUTH_LDAP_EMAIL_FIELD",
        "attributes",
        "E-mail address",
        "No two accounts may have the same one.",
        default="mail",
        active_directory="mail",
        openldap="mail",
    ),
    Field(
        "AUTH_LDAP_GROUP_FIELD",
        "attributes",
        "Groups",
        "The attribute that names the person's groups. OpenLDAP has it where the overlay memberof is on; "
        "where it is not, search for the groups.",
        default="memberOf",
        active_directory="memberOf",
        openldap="memberOf",
    ),
    Field(
        "AUTH_LDAP_GROUP_SEARCH",
        "attributes",
        "Search groups below",
        "Full name of the branch of groups, for a directory whose people do not name their groups: those "
        "with the person as member, uniqueMember or memberUid count too. Empty: no search.",
        example="ou=groups,dc=example,dc=com",
        example_ad="OU=Groups,DC=corp,DC=example,DC=com",
    ),
    Field(
        "AUTH_LDAP_USE_NESTED_GROUPS_FOR_ROLES",
        "attributes",
        "Groups within groups",
        "Active Directory alone: a group that holds a group of the person counts too.",
        kind="flag",
        default=False,
        active_directory=True,
        openldap=False,
    ),
    Field(
        "AUTH_USER_REGISTRATION",
        "roles",
        "Make accounts at the first log-in",
        "Off: only people for whom an administrator made an account (Security > List Users) get in.",
        kind="flag",
        default=True,
        active_directory=True,
        openldap=True,
    ),
    Field(
        "AUTH_USER_REGISTRATION_ROLE",
        "roles",
        "Role without a group",
        "The role of people for whom no group below gives one. It is not added to the roles of a group.",
        default="Viewer",
    ),
    Field(
        "AUTH_ROLES_MAPPING",
        "roles",
        "Roles of groups",
        "Full name of a group and the roles that it gives, separated by commas. A person gets the roles "
        "of all groups.",
        kind="mapping",
        default={},
        example="cn=admins,ou=groups,dc=example,dc=com",
        example_ad="CN=Admins,OU=Groups,DC=corp,DC=example,DC=com",
    ),
    Field(
        "AUTH_ROLES_SYNC_AT_LOGIN",
        "roles",
        "Set the roles at every log-in",
        "On: who leaves a group loses its roles at the next log-in, and roles that were given by hand "
        "are taken away. Off: groups count at the first log-in alone.",
        kind="flag",
        default=True,
        active_directory=True,
        openldap=True,
    ),
)

BY_NAME = {field.name: field for field in FIELDS}
CHOICES = (DATABASE, LDAP)
PRESETS = {"active-directory": "Active Directory", "openldap": "OpenLDAP"}


def preset(name: str) -> dict[str, Value]:
    """Return the defaults for one kind of directory, "active-directory" or "openldap"."""
    attribute = name.replace("-", "_")
    return {field.name: value for field in FIELDS if (value := getattr(field, attribute)) is not None}
