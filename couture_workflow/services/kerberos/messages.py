"""What ``kinit`` says when there is no ticket: the cause and the remedy, for whoever set up the keytab."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEW_KEYTAB = "Have the KDC's administrator write a new keytab for it, and upload that"
_TEXT = "Admin > Kerberos Configuration"


@dataclass(frozen=True)
class Case:
    """What a log-in was tried with.

    :param kvno: version of the principal's newest key in the keytab.
    :param encryption: names of the encryption types in the keytab.
    :param kdcs: the KDCs of the realm, as krb5.conf has them.
    """

    name: str
    principal: str
    realm: str
    kvno: int
    encryption: str
    kdcs: tuple[str, ...]

    @property
    def servers(self) -> str:
        """The KDCs in words."""
        return ", ".join(self.kdcs) if self.kdcs else "which krb5.conf leaves to DNS"


@dataclass(frozen=True)
class Told:
    """A failure in words: two sentences."""

    cause: str
    remedy: str


#: Part of what kinit says -> cause, remedy; ``{...}`` are fields of ``Case``. The first that fits counts.
_TABLE: tuple[tuple[str, str, str], ...] = (
    (
        r"Preauthentication failed|Password incorrect|Decrypt integrity check failed",
        "The KDC does not take the key of {principal}: the keytab has version {kvno}, and the KDC has "
        "another key by now",
        f"Somebody made a new keytab or changed the password since. {_NEW_KEYTAB}",
    ),
    (
        r"not found in Kerberos database.*(krbtgt|TGS)|Server .*not found in Kerberos database",
        "The KDC has no ticket-granting service for the realm {realm}",
        f"The KDC ({{servers}}) serves another realm: correct [realms] of krb5.conf in {_TEXT}",
    ),
    (
        r"not found in Kerberos database",
        "The KDC does not know the principal {principal}",
        "It was deleted or renamed, or krb5.conf names the KDC of another realm ({servers}). Have it made, "
        f"upload a keytab of one that is there, or correct [realms] of krb5.conf in {_TEXT}",
    ),
    (
        r"credentials have been revoked",
        "The principal {principal} is locked in the KDC",
        "Have the KDC's administrator unlock it; often too many wrong passwords locked it",
    ),
    (
        r"entry in database has expired|[Pp]rincipal expired",
        "The principal {principal} has expired in the KDC",
        "Have the KDC's administrator give it a later date of expiry",
    ),
    (
        r"Password has expired|KEY_EXP|Client's key has expired",
        "The password of {principal} has expired in the KDC, and its keys with it",
        f"Have the KDC's administrator renew it. {_NEW_KEYTAB}",
    ),
    (
        r"Clock skew too great",
        "The clocks of this machine and of the KDC ({servers}) differ too much, usually by more than five "
        "minutes",
        "Set both by NTP (chrony or systemd-timesyncd), then try again",
    ),
    (
        r"Cannot contact any KDC",
        "No KDC of the realm {realm} can be reached ({servers})",
        "Look whether the KDC runs, and whether a firewall lets port 88 through, TCP and UDP. Correct the "
        f"addresses in {_TEXT} if they are others",
    ),
    (
        r"Cannot (find|resolve network address for|locate) KDC|[Cc]annot locate|Cannot resolve",
        "No KDC of the realm {realm} can be found ({servers})",
        f"Name it as kdc = HOST below [realms] {{realm_example}} of krb5.conf in {_TEXT}, by a name that "
        "this machine can resolve",
    ),
    (
        r"no suitable keys|no support for encryption type|[Bb]ad encryption type|lacks support for encryption"
        r"|KDC has no support|Generic preauthentication failure",
        "No key of {principal} in the keytab ({encryption}) is of an encryption type that KDC and krb5.conf "
        "allow",
        f"{_NEW_KEYTAB} with aes256-cts keys; or correct permitted_enctypes of krb5.conf",
    ),
    (
        r"not local to KDC|Wrong principal|Cannot find .*realm|Cannot determine realm|Reply.*wrong realm",
        "The KDC ({servers}) does not serve the realm {realm} of {principal}",
        f"Correct [realms] of krb5.conf in {_TEXT}, or upload a keytab of that KDC",
    ),
    (
        r"KDC policy rejects|NEVER_VALID|policy",
        "The KDC's policy does not give {principal} a ticket",
        "Ask the KDC's administrator for what is allowed: life time, forwardable, time of day",
    ),
    (
        r"does not specify default realm",
        "krb5.conf names no default_realm",
        f"Add default_realm = {{realm}} to [libdefaults] in {_TEXT}",
    ),
    (
        r"Improper format of Kerberos configuration|[Cc]onfiguration file|profile",
        "Kerberos cannot read the krb5.conf",
        f"Correct it in {_TEXT}",
    ),
    (
        r"Unsupported key table format|not found while getting|Key table|Bad format in (keytab|key table)",
        "kinit cannot read the keytab {name}",
        "Upload it again",
    ),
    (
        r"No space left|quota exceeded|Read-only file system|Permission denied|Credentials cache",
        "kinit cannot write the ticket into the run's folder",
        "Free some space below the folder for temporary files (TMPDIR) of this machine, and let its user "
        "write there",
    ),
    (
        r"[Rr]esponse too big|too long",
        "The KDC's answer does not fit into a UDP packet, and TCP is closed",
        "Open port 88 for TCP, or add udp_preference_limit = 1 to [libdefaults] of krb5.conf",
    ),
)

_PATTERNS = tuple((re.compile(pattern), cause, remedy) for pattern, cause, remedy in _TABLE)


def tell(said: str, case: Case) -> Told:
    """Return the cause and the remedy of what kinit said."""
    words = {
        "name": case.name,
        "principal": case.principal,
        "realm": case.realm,
        "kvno": str(case.kvno),
        "encryption": case.encryption,
        "servers": case.servers,
        "realm_example": f"{case.realm} = {{ }}",
    }
    for pattern, cause, remedy in _PATTERNS:
        if pattern.search(said):
            return Told(f"{cause.format(**words)}.", f"{remedy.format(**words)}.")
    return Told(
        f"kinit gave no ticket for {case.principal}.",
        "Ask the KDC's administrator what its log says about it at this time.",
    )


def tell_silent(case: Case, seconds: float) -> Told:
    """Return the cause and the remedy where kinit had to be ended."""
    return Told(
        f"No KDC of the realm {case.realm} answered within {seconds:g} seconds ({case.servers}).",
        "A firewall may drop what is sent to port 88 (TCP and UDP), the KDC may hang, or its name may take "
        f"long to resolve. Look there, and at kdc = of krb5.conf in {_TEXT}.",
    )
