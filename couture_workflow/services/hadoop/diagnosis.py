"""Why a cluster's file system could not be listed: what Hadoop's client said, in one line, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """What was said, and what to do about it."""

    said: str
    remedy: str


#: What the client prints -> the remedy; the first that fits counts.
_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"core-site\.xml not found",
        "Upload the core-site.xml of the cluster.",
    ),
    (
        r"UnknownHostException",
        "Correct the host in fs.defaultFS, or let this machine find it (DNS, /etc/hosts). If it is "
        "the name of a "
        "nameservice and not of a host, upload the cluster's hdfs-site.xml too, which says where it is.",
    ),
    (
        r"SIMPLE authentication is not enabled",
        "The cluster wants Kerberos: set hadoop.security.authentication to kerberos in core-site.xml, as the "
        "cluster has it.",
    ),
    (
        r"Server asks us to fall back to SIMPLE auth",
        "The cluster has no Kerberos and the group says that it has: set hadoop.security.authentication to "
        "simple in core-site.xml.",
    ),
    (
        r"Client cannot authenticate via:\s*\[TOKEN, KERBEROS\]|No Kerberos|Failed to find any Kerberos tgt",
        "The cluster wants a Kerberos ticket, and there is none that counts. Upload a keytab, and "
        "look at its test.",
    ),
    (
        r"Can't get Kerberos realm|Cannot locate default realm|Failed to specify server's Kerberos principal",
        "Name the realm in the Kerberos configuration, and the principal in "
        "dfs.namenode.kerberos.principal of hdfs-site.xml, as the cluster has it.",
    ),
    (
        r"Server has invalid Kerberos principal|Server not found in Kerberos database",
        "Correct dfs.namenode.kerberos.principal in hdfs-site.xml: the NameNode has another one.",
    ),
    (
        r"GSS initiate failed|GSSException",
        "The ticket was refused. Look at the test of the keytab, and whether the clocks of both "
        "machines agree.",
    ),
    (
        r"Connection refused",
        "Nothing listens there. Look whether the NameNode runs, and whether the port in fs.defaultFS is "
        "that of its RPC (8020 or 9000 on most clusters).",
    ),
    (
        r"ConnectTimeoutException|SocketTimeoutException|timed? ?out|No route to host|Network is unreachable",
        "The machine does not answer. Look at the firewall between it and this one, and at the address in "
        "fs.defaultFS.",
    ),
    (
        r"RpcException|InvalidProtocolBuffer|RPC response (exceeds|has a)|Unknown rpc kind|EOFException",
        "What listens there is no NameNode. Give fs.defaultFS the port of its RPC (8020 or 9000 on most "
        "clusters), not that of its web pages.",
    ),
    (
        r"StandbyException|in state standby",
        "This NameNode is on standby. Name the nameservice in fs.defaultFS instead of one host, and upload "
        "the cluster's hdfs-site.xml.",
    ),
    (
        r"No FileSystem for scheme|ClassNotFoundException: Class \S*(?:FileSystem|fs\.)\S*",
        "The client on this machine has no driver for such a file system; it has hdfs, webhdfs and file. A "
        "job can bring one as a jar, so this group may be right all the same.",
    ),
    (
        r"Permission denied|AccessControlException",
        "The cluster answers, and does not let this account list its root. Ask its administrator for the "
        "right to read /, or test with another account.",
    ),
    (
        r"invalid null input: name",
        "The user id that this process runs under has no name. Give it one in /etc/passwd.",
    ),
    (
        r"Invalid URI|Expected authority|Malformed|Illegal character|Incomplete HDFS "
        r"URI|URISyntaxException|port out of range",
        "Correct fs.defaultFS: it is a scheme, a host and a port, such as hdfs://namenode.example.org:8020.",
    ),
    (
        r"OutOfMemoryError|Could not reserve enough space|insufficient memory",
        "This machine has too little memory left for Java. Free some, and test again.",
    ),
)
_OTHER = "Compare the group's files with those of a machine on which hdfs dfs -ls / works."

#: Lines that say what went wrong, the best first.
_TELLING = (
    re.compile(r"^-?ls: (?!Fatal internal error)(.+?)(?:; For more details see:.*)?$"),
    re.compile(r"^Caused by: (.+)"),
    re.compile(r'^Exception in thread "[^"]*" (.+)'),
    re.compile(r"^(?:Error|error): (.+)"),
    re.compile(r"^(\S+(?:Exception|Error)\b.*)"),
)
_LONGEST = 1000


def explain(lines: Sequence[str]) -> Diagnosis:
    """Return what a client that failed said, and what to do.

    :param lines: of its standard error.
    """
    text = "\n".join(lines)
    remedy = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, text)), _OTHER)
    return Diagnosis(_said(lines), remedy)


def _said(lines: Sequence[str]) -> str:
    for pattern in _TELLING:
        for line in lines:
            if match := pattern.match(line):
                return match[1][:_LONGEST]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return last[:_LONGEST] or "It ended without a word."
