"""The REST API of Kerberos, called as programs call it: keytabs go in and never come out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator

import httpx
import pytest

from couture_workflow.services.kerberos import configuration, keytabs
from couture_workflow.services.kerberos.keytab_file import MAX_BYTES
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.keytabs import AES128, RC4, keytab, record
from tests.support.servers import free_port

KEYTABS, TEXT = "/api/kerberos/keytabs", "/api/kerberos/krb5.conf"
KEY = b"secret key, 32 bytes of a keytab"
TWO = keytab([record("etl", kvno=3, key=KEY), record("web/node", kind=AES128), record("etl", kind=RC4)])


@pytest.fixture
def admin(api_server: ApiServer, store: Store) -> Iterator[httpx.Client]:
    for name in keytabs.names(store):
        store.secrets.delete(keytabs.PREFIX + name)
    (store.root / keytabs.STATE).unlink(missing_ok=True)
    if configuration.read(store).text:
        store.config.save(
            {configuration.PATH: None}, author="tests", message="Empty", base=store.config.head()
        )
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=120) as client:
        yield client


def put(client: httpx.Client, name: str = "etl", content: bytes = TWO, **params: str) -> httpx.Response:
    return client.put(f"{KEYTABS}/{name}", content=content, params=params)


def audited(server: ApiServer, event: str) -> list[dict[str, object]]:
    rows = server.sql("select extra from log where event = ? order by id", f"kerberos.{event}")
    return [json.loads(extra) for (extra,) in rows]


def test_a_keytab_is_looked_into_uploaded_listed_and_deleted(
    admin: httpx.Client, api_server: ApiServer, store: Store
) -> None:
    found = admin.post(f"{KEYTABS}/inspect", content=TWO)
    assert [each["principal"] for each in found.json()["principals"]] == ["etl@LAB.TEST", "web/node@LAB.TEST"]
    assert keytabs.names(store) == ()

    kept = put(admin, principal="etl@LAB.TEST")
    assert kept.status_code == 200, kept.text
    assert kept.json() == admin.get(f"{KEYTABS}/etl").json() == admin.get(KEYTABS).json()["keytabs"][0]
    told = kept.json()
    assert (told["principal"], told["kvno"], told["default"], told["last_success"]) == (
        "etl@LAB.TEST",
        3,
        True,
        None,
    )
    assert told["fingerprint"] == hashlib.sha256(TWO).hexdigest()
    assert [(key["encryption"], key["weak"]) for key in told["keys"]] == [
        ("aes256-cts-hmac-sha1-96", False),
        ("arcfour-hmac", True),
    ]
    assert (told["others"], told["uploaded_by"]) == (["web/node@LAB.TEST"], "admin")

    put(admin, "web", principal="web/node@LAB.TEST")
    refused = admin.delete(f"{KEYTABS}/etl")
    assert (refused.status_code, refused.json()["error"]) == (409, "in_use")
    assert admin.post(f"{KEYTABS}/web/default").json()["default"] is True
    assert admin.delete(f"{KEYTABS}/etl").status_code == 200
    assert [each["name"] for each in admin.get(KEYTABS).json()["keytabs"]] == ["web"]

    rows = audited(api_server, "upload_keytab")
    assert rows[-2]["after"] == {"principal": "etl@LAB.TEST", "kvno": 3, "fingerprint": told["fingerprint"]}
    chosen = audited(api_server, "default_keytab")[-1]
    assert (chosen["before"], chosen["after"], chosen["ip"]) == ("etl", "web", "127.0.0.1")
    assert audited(api_server, "delete_keytab")[-1]["keytab"] == "etl"


def test_no_key_leaves_the_server(admin: httpx.Client, api_server: ApiServer) -> None:
    put(admin, principal="etl@LAB.TEST")
    admin.put(TEXT, json={"text": configuration.TEMPLATE})
    page = api_server.client("admin").get("/couture/kerberos-configuration/")

    answers = [admin.get(KEYTABS), admin.get(f"{KEYTABS}/etl"), admin.post(f"{KEYTABS}/etl/test"), page]
    answers += [admin.get("/api/configs/")]
    texts = [answer.content for answer in answers]
    texts += [str(api_server.sql("select * from log")).encode(), api_server.log.read_bytes()]
    for text in texts:
        assert KEY not in text
        assert KEY.hex().encode() not in text


@pytest.mark.parametrize(
    ("content", "field", "sentence"),
    [
        (b"", "keytab", "it is empty"),
        (b"-----BEGIN CERTIFICATE-----", "keytab", "in PEM form"),
        (TWO[:-3], "keytab", "cut off or damaged"),
        (TWO, "principal", "has 2 principals. Choose one of etl@LAB.TEST, web/node@LAB.TEST"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    admin: httpx.Client, content: bytes, field: str, sentence: str
) -> None:
    refused = put(admin, content=content)

    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert sentence in refused.json()["detail"]
    assert admin.get(KEYTABS).json() == {"keytabs": [], "broken": []}


def test_names_sizes_and_what_is_not_there_are_refused(admin: httpx.Client) -> None:
    assert put(admin, "a b").json()["error"] == "invalid_name"
    large = [
        put(admin, content=TWO + b"\0" * MAX_BYTES),
        admin.post(f"{KEYTABS}/inspect", content=iter([TWO] * 9999)),
    ]
    assert [(each.status_code, each.json()["error"]) for each in large] == [(413, "too_large")] * 2
    gone = [
        admin.get(f"{KEYTABS}/none"),
        admin.delete(f"{KEYTABS}/none"),
        admin.post(f"{KEYTABS}/none/test"),
        admin.post(f"{KEYTABS}/none/default"),
        admin.get(TEXT, params={"commit": "x"}),
    ]
    assert [each.status_code for each in gone] == [404] * 5


def test_a_test_tells_cause_and_remedy(admin: httpx.Client, api_server: ApiServer) -> None:
    if shutil.which("kinit") is None:
        pytest.skip("needs kinit")
    put(admin, principal="etl@LAB.TEST")
    without = admin.post(f"{KEYTABS}/etl/test").json()
    assert (without["ok"], without["cause"]) == (False, "There is no krb5.conf, so no KDC is known.")
    port = free_port()
    text = (
        "[libdefaults]\n default_realm = LAB.TEST\n dns_lookup_kdc = false\n udp_preference_limit = 1\n"
        f"[realms]\n LAB.TEST = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
    )
    assert admin.put(TEXT, json={"text": text}).status_code == 200

    outcome = admin.post(f"{KEYTABS}/etl/test")

    assert outcome.status_code == 200
    told = outcome.json()
    assert f"No KDC of the realm LAB.TEST can be reached (127.0.0.1:{port})" in told["cause"]
    assert (told["ok"], told["seconds"], told["expires_at"]) == (False, 0, None)
    assert told["message"] == f"{told['cause']} {told['remedy']}"
    row = audited(api_server, "test_keytab")[-1]
    assert (row["keytab"], row["ok"], row["cause"]) == ("etl", False, told["cause"])


def test_the_text_is_saved_with_a_history(admin: httpx.Client, api_server: ApiServer) -> None:
    empty = admin.get(TEXT)
    assert (empty.json()["text"], empty.json()["remarks"]) == ("", [])
    first = admin.put(TEXT, json={"text": configuration.TEMPLATE, "message": "a'b\"<&>ü"})
    assert first.status_code == 200, first.text
    second = admin.put(
        TEXT, json={"text": configuration.TEMPLATE + "# more\n"}, headers={"If-Match": first.headers["etag"]}
    )

    assert second.json() == admin.get(TEXT).json()
    assert admin.get(TEXT, params={"commit": first.json()["commit"]}).json()["text"] == configuration.TEMPLATE
    newest, before, *_ = admin.get(f"{TEXT}/history").json()
    assert (newest["author"], newest["commit"]) == ("admin", second.json()["commit"])
    assert before["message"] == "a'b\"<&>ü"
    late = admin.put(TEXT, json={"text": configuration.TEMPLATE}, headers={"If-Match": first.headers["etag"]})
    assert (late.status_code, late.json()["error"]) == (412, "conflict")
    assert "+# more" in str(audited(api_server, "save_krb5_conf")[-1]["changes"])


def test_a_text_with_errors_is_told_and_not_saved(admin: httpx.Client) -> None:
    text = "include /etc/x\n[libdefaults]\n allow_weak_crypto = true\n"
    checked = admin.post(f"{TEXT}/check", json={"text": text}).json()
    refused = admin.put(TEXT, json={"text": text})

    assert checked["valid"] is False
    assert [(each["line"], each["level"]) for each in checked["remarks"]][0] == (1, "error")
    assert {each["level"] for each in checked["remarks"]} == {"error", "warning"}
    assert (refused.status_code, refused.json()["field"]) == (422, "text")
    assert "include is refused" in refused.json()["detail"]
    assert admin.get(TEXT).json()["text"] == ""


def test_developers_see_nothing_of_it_and_get_no_text_in_an_export(
    admin: httpx.Client, api_server: ApiServer
) -> None:
    put(admin, principal="etl@LAB.TEST")
    admin.put(TEXT, json={"text": configuration.TEMPLATE})
    dev = httpx.Client(base_url=api_server.url, auth=("dev", "dev"), timeout=120)

    refused = [
        dev.get(KEYTABS),
        put(dev),
        dev.get(TEXT),
        dev.delete(f"{KEYTABS}/etl"),
        dev.post(f"{TEXT}/check"),
    ]

    assert [each.status_code for each in refused] == [403] * 5
    assert dev.get("/api/configs/").status_code == 200
    assert admin.get(KEYTABS).json()["keytabs"][0]["name"] == "etl"
