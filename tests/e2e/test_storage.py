"""Storage providers on a real MinIO: what agents may do as an independent client
sees it, what happens to files, and what it costs in calls."""
import concurrent.futures
import io
import json
import os
import pathlib
import secrets
import shutil
import tarfile
import time
import zipfile

import pytest

import minio
from minio import BUCKET, INSTANCE, policy, statement
from shell import ROOT, Failed, Shell

pytestmark = pytest.mark.skipif(
    minio.program() is None, reason="HICLAW_MINIO names no MinIO")

RW = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
OWN = "agents/${aws:username}"
POLICIES = {
    "agent": policy(
        statement("Allow", RW, [f"{BUCKET}/{OWN}/*", f"{BUCKET}/shared/*"]),
        statement("Allow", ["s3:ListBucket"], [BUCKET], StringLike={
            "s3:prefix": [f"{OWN}/*", "shared/*"]}),
        statement("Deny", ["s3:PutObject", "s3:DeleteObject"],
                  [f"{BUCKET}/{OWN}/openclaw.json",
                   f"{BUCKET}/{OWN}/credentials/*",
                   f"{BUCKET}/shared/builtins/*"]),
        statement("Deny", ["admin:CreateUser", "admin:CreateServiceAccount"],
                  [])),
    "team/alpha": policy(
        statement("Allow", RW, [f"{BUCKET}/teams/alpha/shared/*"]),
        statement("Allow", ["s3:ListBucket"], [BUCKET], StringLike={
            "s3:prefix": ["teams/alpha/shared/*"]})),
    "lead/alpha": policy(
        statement("Allow", RW, [f"{BUCKET}/teams/alpha/*"]),
        statement("Allow", ["s3:ListBucket"], [BUCKET], StringLike={
            "s3:prefix": ["teams/alpha/*"]})),
}
DEV = {"name": "dev", "policies": ["agent", "team/alpha"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    m = minio.Minio(tmp_path_factory.mktemp("minio"))
    yield m
    m.stop()


@pytest.fixture
def shell(server):
    """A provider on a bucket with policies."""
    with Shell("minio", server.settings()) as sh:
        sh.ensure(f"bucket:{BUCKET}", {"name": BUCKET})
        for name, document in POLICIES.items():
            sh.ensure(f"policy:{name}", {"name": name, "document": document})
        yield sh


def make_user(shell, name, *policies):
    secret = {"secret": secrets.token_hex(24)}
    shell.ensure(f"user:{name}", {"name": name, "policies": sorted(policies)},
                 secrets=secret)
    return secret["secret"]


def code_of(call, *args, **kw):
    """"ok", or the code of the error."""
    import botocore.exceptions
    try:
        call(*args, Bucket=BUCKET, **kw)
        return "ok"
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"]


def file_of(path, text, rule="owned", mode="0600"):
    return {"path": path, "mode": mode, "rule": rule, "text": text}


# --- rights ----------------------------------------------------------------

def test_matrix(server, shell):
    """Each cell of who may do what, by boto3."""
    root = server.client()
    for key in ("agents/dev/a.md", "agents/dev/openclaw.json",
                "agents/dev/credentials/token", "agents/dev2/a.md",
                "agents/other/a.md", "shared/tasks/t1/spec.md",
                "shared/builtins/worker/AGENTS.md", "teams/alpha/plan.md",
                "teams/alpha/shared/a.md", "teams/beta/shared/a.md",
                "manager/state.json", "hiclaw-config/packages/p.zip"):
        root.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    clients = {
        "dev": server.client("dev", make_user(
            shell, "dev", "agent", "team/alpha")),
        "boss": server.client("boss", make_user(
            shell, "boss", "agent", "lead/alpha")),
        "solo": server.client("solo", make_user(shell, "solo", "agent")),
    }
    ok, no = "ok", "AccessDenied"
    # who, path: get, put, delete
    cells = [
        ("dev", "agents/dev/a.md", ok, ok, ok),
        ("dev", "agents/dev/deep/er/b.md", "NoSuchKey", ok, ok),
        ("dev", "agents/dev/openclaw.json", ok, no, no),
        ("dev", "agents/dev/credentials/token", ok, no, no),
        ("dev", "agents/dev2/a.md", no, no, no),
        ("dev", "agents/other/a.md", no, no, no),
        ("dev", "shared/tasks/t1/spec.md", ok, ok, ok),
        ("dev", "shared/builtins/worker/AGENTS.md", ok, no, no),
        ("dev", "teams/alpha/shared/a.md", ok, ok, ok),
        ("dev", "teams/alpha/plan.md", no, no, no),
        ("dev", "teams/beta/shared/a.md", no, no, no),
        ("dev", "manager/state.json", no, no, no),
        ("dev", "hiclaw-config/packages/p.zip", no, no, no),
        ("boss", "teams/alpha/plan.md", ok, ok, ok),
        ("boss", "agents/dev/a.md", no, no, no),
        ("boss", "teams/beta/shared/a.md", no, no, no),
        ("solo", "agents/solo/a.md", "NoSuchKey", ok, ok),
        ("solo", "teams/alpha/shared/a.md", no, no, no),
    ]
    for who, key, get, put, delete in cells:
        c = clients[who]
        assert code_of(c.get_object, Key=key) == get, (who, key, "get")
        assert code_of(c.put_object, Key=key, Body=b"y") == put, (who, key)
        assert code_of(c.delete_object, Key=key) == delete, (who, key)
    lists = [
        ("dev", "agents/dev/", ok), ("dev", "agents/dev", no),
        ("dev", "agents/dev2/", no), ("dev", "agents/", no), ("dev", "", no),
        ("dev", "shared/", ok), ("dev", "teams/alpha/shared/", ok),
        ("dev", "teams/alpha/", no), ("dev", "teams/", no),
        ("dev", "hiclaw-config/", no), ("boss", "teams/alpha/", ok),
        ("solo", "teams/alpha/shared/", no),
    ]
    for who, prefix, want in lists:
        got = code_of(clients[who].list_objects_v2, Prefix=prefix)
        assert got == want, (who, prefix)
    # By copy neither.
    assert code_of(clients["dev"].copy_object, Key="agents/dev/stolen",
                   CopySource=f"{BUCKET}/agents/other/a.md") == no
    # Nor is it an administrator of itself.
    secret = secrets.token_hex(24)
    shell.ensure("user:dev", DEV, secrets={"secret": secret},
                 observed={"name": "dev"})
    with pytest.raises(RuntimeError, match="AccessDenied"):
        server.admin("PUT", "add-user", b"x" * 64, user="dev", secret=secret,
                     accessKey="dev")


def test_delete(server, shell):
    """A removed user is out with its next request, and policies can go then."""
    c = server.client("gone", make_user(shell, "gone", "agent"))
    assert code_of(c.put_object, Key="agents/gone/a", Body=b"") == "ok"
    answer = shell.attempt("remove", "policy:agent")
    assert answer["err"]["kind"] == "retry", "in use"
    assert shell.remove("user:gone") == ["removed"]
    assert code_of(c.get_object, Key="agents/gone/a") == "InvalidAccessKeyId"
    assert shell.remove("user:gone", observed={"name": "gone"}) == []
    shell.ensure("policy:extra", {"name": "extra",
                                  "document": POLICIES["team/alpha"]})
    assert shell.remove("policy:extra") == ["removed"]


def compiled():
    """The policies that the compile makes for a house: tests/data/grants, which
    test-grants holds against it."""
    text = (ROOT / "tests/data/grants/house.golden").read_text()
    out = {}
    for part in text.split("\n\n"):
        head, _, form = part.strip().partition("\n")
        if head.startswith("policy:"):
            form = json.loads(form.replace(":::store", ":::" + BUCKET))
            out[form["name"]] = form["document"]
    return out


def test_compiled_matrix(server, shell):
    """Each cell again, of the policies as agents really get them."""
    policies = compiled()
    assert {"agent", "agent/qa", "tasks", "manager", "team/red",
            "leader/red"} <= set(policies)
    for name, document in policies.items():
        shell.ensure(f"policy:c/{name}", {"name": f"c/{name}",
                                          "document": document})
    users = {"memb": ("agent", "team/red"),
             "lead": ("agent", "leader/red", "tasks"),
             "alone": ("agent", "tasks"), "qa_": ("agent/qa", "tasks"),
             "mgr": ("agent", "manager")}
    root = server.client()
    for key in ("agents/memb/a.md", "agents/memb/openclaw.json",
                "agents/memb2/a.md", "agents/qa/a.md", "agents/mgr/x.md",
                "agents/mgr/openclaw.json", "shared/knowledge/k.md",
                "shared/tasks/t/spec.md", "teams/red/plan.md",
                "teams/red/shared/a.md", "teams/blue/shared/a.md",
                "manager/state.json", "hiclaw-config/packages/p.zip"):
        root.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    clients = {u: server.client(u, make_user(
        shell, u, *(f"c/{p}" for p in names))) for u, names in users.items()}
    ok, no = "ok", "AccessDenied"
    cells = [
        ("memb", "agents/memb/a.md", ok, ok),
        ("memb", "agents/memb/openclaw.json", ok, no),
        ("memb", "agents/memb/runtime/runtime.yaml", "NoSuchKey", no),
        ("memb", "agents/memb2/a.md", no, no),
        ("memb", "agents/qa/a.md", no, no),
        ("memb", "shared/knowledge/k.md", ok, no),
        ("memb", "shared/tasks/t/spec.md", ok, no),
        ("memb", "teams/red/shared/a.md", ok, ok),
        ("memb", "teams/red/plan.md", no, no),
        ("memb", "teams/blue/shared/a.md", no, no),
        ("memb", "manager/state.json", no, no),
        ("memb", "hiclaw-config/packages/p.zip", no, no),
        ("lead", "teams/red/plan.md", ok, ok),
        ("lead", "teams/blue/shared/a.md", no, no),
        ("lead", "shared/tasks/t/spec.md", ok, ok),
        ("lead", "agents/memb/a.md", no, no),
        ("alone", "shared/tasks/t/spec.md", ok, ok),
        ("alone", "shared/knowledge/k.md", ok, no),
        ("alone", "teams/red/shared/a.md", no, no),
        ("qa_", "agents/qa/a.md", ok, ok),
        ("qa_", "agents/qa_/a.md", no, no),
        ("qa_", "agents/memb/a.md", no, no),
        ("mgr", "manager/state.json", ok, ok),
        ("mgr", "shared/knowledge/k.md", ok, ok),
        ("mgr", "agents/memb/a.md", ok, no),
        ("mgr", "agents/memb/openclaw.json", no, no),
        ("mgr", "agents/mgr/openclaw.json", ok, no),
        ("mgr", "teams/red/plan.md", ok, no),
        ("mgr", "hiclaw-config/packages/p.zip", no, no),
    ]
    for who, key, get, put in cells:
        c = clients[who]
        assert code_of(c.get_object, Key=key) == get, (who, key, "get")
        assert code_of(c.put_object, Key=key, Body=b"y") == put, (who, key)
    for who, prefix, want in [
            ("memb", "agents/memb/", ok), ("memb", "agents/memb", no),
            ("memb", "agents/memb2/", no), ("memb", "agents/", no),
            ("memb", "", no), ("memb", "shared/", ok),
            ("memb", "teams/red/shared/", ok), ("memb", "teams/red/", no),
            ("lead", "teams/red/", ok), ("lead", "teams/", no),
            ("mgr", "agents/", ok), ("qa_", "agents/qa/", ok)]:
        assert code_of(clients[who].list_objects_v2, Prefix=prefix) == want, \
            (who, prefix)


def test_many_users(server, shell):
    """A hundred cost as many calls as four; what is not ours is left alone."""
    server.admin("PUT", "import-iam-v2", zip_of(server, {"users": {
        "stranger": {"secretKey": "their-own-secret", "status": "enabled"}}}))
    works = {f"user:w{i:03d}": ({"name": f"w{i:03d}", "policies": ["agent"]},
                                {"secret": secrets.token_hex(24)})
             for i in range(100)}
    works["user:stranger"] = ({"name": "stranger", "policies": ["agent"]},
                              {"secret": secrets.token_hex(24)})
    works["user:xy"] = ({"name": "xy", "policies": []}, {"secret": "s" * 48})
    answers = shell.many("ensure", works)
    assert shell.calls == 3, "export, import, export"
    bad = {k: a["err"]["kind"] for k, a in answers.items() if a["rc"] != 0}
    assert bad == {"user:stranger": "conflict", "user:xy": "user"}
    for name in ("w000", "w099"):
        c = server.client(name, works[f"user:{name}"][1]["secret"])
        assert code_of(c.put_object, Key=f"agents/{name}/a", Body=b"") == "ok"
    assert code_of(server.client("stranger", "their-own-secret")
                   .list_objects_v2) == "AccessDenied"
    assert "policyName" not in server.user("stranger")
    # Again: one look, nothing done.
    answers = shell.many("ensure", {k: w for k, w in works.items()
                                    if k not in bad})
    assert shell.calls == 1
    assert all(a["rc"] == 0 and a["did"] == [] for a in answers.values())
    # Removing the object of a stranger does not remove the stranger, not even
    # when we do not know how far we came.
    for may_exist in (False, True):
        assert shell.remove("user:stranger", observed=None, may_exist=may_exist,
                            secrets={"secret": secrets.token_hex(24)}) == []
    answer = shell.attempt("ensure", "user:stranger",
                           works["user:stranger"][0], may_exist=True,
                           secrets=works["user:stranger"][1])
    assert answer["err"]["kind"] == "conflict"
    assert server.user("stranger")["status"] == "enabled"
    for key in works:
        if key not in bad:
            shell.remove(key)


def zip_of(server, files):
    path = pathlib.Path(server.data).parent / "import.zip"
    with zipfile.ZipFile(path, "w") as z:
        for name, content in files.items():
            z.writestr(f"iam-assets/{name}.json", json.dumps(content))
    return path.read_bytes()


def test_rotation(server, shell):
    """The next secret replaces the one before at once."""
    desired = {"name": "rota", "policies": ["agent"], "serial": 1}
    one, two = ({"secret": secrets.token_hex(24)} for _ in range(2))
    shell.ensure("user:rota", desired, secrets=one)
    before = shell.observed["user:rota"]["secret_id"]
    desired["serial"] = 2
    assert [c[3] for c in shell.left("user:rota", desired)] == ["credential"]
    assert shell.ensure("user:rota", desired, secrets=two) == ["secret set"]
    assert shell.observed["user:rota"]["secret_id"] != before
    assert shell.observe({"user:rota": shell.observed["user:rota"]}) == {}
    old, new = (server.client("rota", s["secret"]) for s in (one, two))
    assert code_of(old.list_objects_v2, Prefix="agents/rota/") == \
        "SignatureDoesNotMatch"
    assert code_of(new.list_objects_v2, Prefix="agents/rota/") == "ok"
    for s in (one, two):
        assert s["secret"] not in shell.stderr()
        assert s["secret"] not in json.dumps(shell.observed)
    shell.remove("user:rota")


def test_modest_controller(server, shell):
    """Without the right to export everything is seen one by one, all but the
    secrets."""
    rights = ["CreateUser", "DeleteUser", "EnableUser", "GetUser", "ListUsers",
              "CreatePolicy", "DeletePolicy", "GetPolicy",
              "AttachUserOrGroupPolicy", "UpdatePolicyAssociation"]
    shell.ensure("policy:modest", {"name": "modest", "document": policy(
        statement("Allow", [f"admin:{r}" for r in rights], []),
        statement("Allow", ["s3:*"], [BUCKET, f"{BUCKET}/*"]))})
    secret = make_user(shell, "modest", "modest")
    with Shell("minio", server.settings(access_key="modest",
                                        secret_key=secret)) as sh:
        works = {f"user:m{i}x": ({"name": f"m{i}x", "policies": ["agent"]},
                                 {"secret": secrets.token_hex(24)})
                 for i in range(5)}
        answers = sh.many("ensure", works)
        assert all(a["rc"] == 0 for a in answers.values()), answers
        assert sh.observe() == {}
        server.admin("PUT", "set-user-status", accessKey="m1x",
                     status="disabled")
        server.admin("DELETE", "remove-user", accessKey="m2x")
        changed = sh.observe()
        assert changed["user:m1x"]["status"] == "disabled"
        assert changed["user:m2x"] is None and len(changed) == 2
        for key, (desired, s) in works.items():
            sh.ensure(key, desired, secrets=s)
        assert sh.observe() == {}
        for key in works:
            sh.remove(key)
    shell.remove("user:modest")
    shell.remove("policy:modest")


def test_bad_policy(shell):
    """The server's word on a policy reaches people."""
    with pytest.raises(Failed) as e:
        shell.ensure("policy:bad", {"name": "bad", "document": policy(
            statement("Allow", ["s3:Nonsense"], [BUCKET]))})
    assert e.value.kind == "user" and "Malformed" in e.value.msg


# --- drift -----------------------------------------------------------------

def test_drift_of_users(server, shell):
    secret = {"secret": secrets.token_hex(24)}
    shell.ensure("user:dev", DEV, secrets=secret, observed={"name": "dev"})
    items = {k: shell.observed[k] for k in ("user:dev", "policy:agent")}
    assert shell.observe(items) == {}

    def mended(risk):
        changed = shell.observe(dict(items))
        assert list(changed) == ["user:dev"]
        left = shell.left("user:dev", DEV)
        assert [c[3] for c in left] == [risk]
        assert shell.ensure("user:dev", DEV, secrets=secret) != []
        assert shell.observed["user:dev"] == items["user:dev"]
        c = server.client("dev", secret["secret"])
        assert code_of(c.list_objects_v2, Prefix="agents/dev/") == "ok"
        assert shell.observe(dict(items)) == {}

    server.admin("DELETE", "remove-user", accessKey="dev")
    mended("create")
    server.admin("PUT", "set-user-status", accessKey="dev", status="disabled")
    mended("permission")
    server.admin("PUT", "set-user-or-group-policy", userOrGroup="dev",
                 isGroup="false", policyName=f"{INSTANCE}-agent")
    mended("permission")
    server.admin("PUT", "import-iam-v2", zip_of(server, {"users": {
        "dev": {"secretKey": "somebody-elses", "status": "enabled"}}}))
    mended("credential")
    # Rights that somebody adds are as wrong as rights that are missing.
    server.admin("PUT", "set-user-or-group-policy", userOrGroup="dev",
                 isGroup="false", policyName=f"{INSTANCE}-agent,"
                 f"{INSTANCE}-team-alpha,readwrite")
    mended("permission")


def test_drift_of_policies(server, shell):
    """Narrowed, widened or gone: seen in one call with all the rest, put right."""
    key, name = "policy:team/alpha", f"{INSTANCE}-team-alpha"
    desired = {"name": "team/alpha", "document": POLICIES["team/alpha"]}
    items = {key: shell.observed[key]}
    assert shell.observe(dict(items)) == {}
    for other in (policy(statement("Allow", ["s3:GetObject"],
                                   [f"{BUCKET}/teams/alpha/shared/*"])),
                  policy(*POLICIES["team/alpha"]["Statement"],
                         statement("Allow", RW, [f"{BUCKET}/*"]))):
        server.admin("PUT", "add-canned-policy", other, name=name)
        assert list(shell.observe(dict(items))) == [key]
        assert {c[3] for c in shell.left(key, desired)} == {"permission"}
        assert shell.ensure(key, desired) == ["rewritten"]
        assert shell.observe(dict(items)) == {}
    shell.remove("user:dev", observed={"name": "dev"})
    server.admin("DELETE", "remove-canned-policy", name=name)
    assert shell.observe(dict(items)) == {key: None}
    assert shell.ensure(key, desired) == ["made"]


def test_drift_of_files(server, shell):
    root = server.client()
    path = "agents/drift/SOUL.md"
    desired = file_of(path, "ours\n")
    assert shell.ensure(f"file:{path}", desired) == ["written"]
    assert shell.calls == 1, "nothing was there before"
    items = {f"file:{path}": shell.observed[f"file:{path}"]}
    assert shell.observe(dict(items)) == {}
    root.put_object(Bucket=BUCKET, Key=path, Body=b"theirs\n")
    assert list(shell.observe(dict(items))) == [f"file:{path}"]
    assert shell.left(f"file:{path}", desired) == [
        ["content", "changed by others", "5 bytes", "update"]]
    assert shell.ensure(f"file:{path}", desired) == ["rewritten"]
    assert root.get_object(Bucket=BUCKET, Key=path)["Body"].read() == \
        b"ours\n"
    root.delete_object(Bucket=BUCKET, Key=path)
    assert shell.observe(dict(items)) == {f"file:{path}": None}
    assert shell.ensure(f"file:{path}", desired) == ["written"]
    # The same bytes by somebody else's hand are no difference.
    root.put_object(Bucket=BUCKET, Key=path, Body=b"ours\n")
    assert shell.observe(dict(items)) == {}


def test_rules(server, shell):
    """A seed is the agent's; of a file with markers only our part is ours."""
    root = server.client()
    seed = "agents/rules/HEARTBEAT.md"
    root.put_object(Bucket=BUCKET, Key=seed, Body=b"the agent's")
    assert shell.ensure(f"file:{seed}", file_of(seed, "x", "seed")) == []
    root.put_object(Bucket=BUCKET, Key=seed, Body=b"other")
    items = {f"file:{seed}": shell.observed[f"file:{seed}"]}
    assert shell.observe(items) == {}
    assert shell.ensure(f"file:{seed}", file_of(seed, "y", "seed")) == []
    assert root.get_object(Bucket=BUCKET, Key=seed)["Body"].read() == b"other"

    part = "<!-- hiclaw-builtin-start -->\n{}\n<!-- hiclaw-builtin-end -->\n"
    path = "agents/rules/AGENTS.md"
    key = f"file:{path}"
    one = file_of(path, part.format("one"), "markers")
    assert shell.ensure(key, one) == ["written"]
    body = root.get_object(Bucket=BUCKET, Key=path)["Body"].read()
    root.put_object(Bucket=BUCKET, Key=path, Body=body + b"\nmy notes\n")
    # Changed outside, but not our part: read, and left as it is.
    assert list(shell.observe({key: shell.observed[key]})) == [key]
    assert shell.left(key, one) != []
    assert shell.ensure(key, one) == []
    assert shell.writes == 0
    assert shell.observe({key: shell.observed[key]}) == {}
    two = file_of(path, part.format("two"), "markers")
    assert shell.ensure(key, two) == ["rewritten"]
    body = root.get_object(Bucket=BUCKET, Key=path)["Body"].read()
    assert b"two" in body and b"one" not in body and b"my notes" in body


def test_race_for_a_seed(server, shell):
    """Eight controllers at once: one writes, seven find it there."""
    path = "agents/race/SOUL.md"
    shells = [Shell("minio", server.settings()) for _ in range(8)]
    try:
        for i in range(5):
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                did = list(pool.map(lambda n: shells[n].ensure(
                    f"file:{path}{i}", file_of(f"{path}{i}", f"{n}", "seed")),
                    range(8)))
            assert sorted(did) == [[]] * 7 + [["written"]]
            body = server.client().get_object(
                Bucket=BUCKET, Key=f"{path}{i}")["Body"].read()
            assert body == str(did.index(["written"])).encode()
    finally:
        for sh in shells:
            sh.close()


def test_too_large(server, shell):
    """What an agent blew up is no reason to fail, nor to lose it."""
    root = server.client()
    huge = b"x" * (64 * 1024 * 1024 + 1)
    for name, rule, want in (("SOUL.md", "owned", ["rewritten"]),
                             ("AGENTS.md", "markers", "conflict"),
                             ("HEARTBEAT.md", "seed", [])):
        path = f"agents/huge/{name}"
        root.put_object(Bucket=BUCKET, Key=path, Body=huge)
        answer = shell.attempt("ensure", f"file:{path}",
                               file_of(path, "ours\n", rule), may_exist=True)
        got = answer["did"] if answer["rc"] == 0 else answer["err"]["kind"]
        assert got == want, (rule, answer)
        size = root.head_object(Bucket=BUCKET, Key=path)["ContentLength"]
        assert size == (5 if rule == "owned" else len(huge))
        root.delete_object(Bucket=BUCKET, Key=path)


def test_secret_in_file(server, shell):
    """A new secret is a difference; neither form nor log has it."""
    path = "agents/rules/openclaw.json"

    def desired(i):
        return {"path": path, "mode": "0600", "rule": "owned", "json": {
            "key": {"$secret": "consumer:w/key", "id": i}}}

    shell.ensure(f"file:{path}", desired("aaaa"),
                 secrets={"consumer:w/key": "sesame-1"})
    assert b"sesame-1" in server.client().get_object(
        Bucket=BUCKET, Key=path)["Body"].read()
    assert "sesame-1" not in json.dumps(shell.observed)
    left = shell.left(f"file:{path}", desired("bbbb"))
    assert [c[3] for c in left] == ["credential"]
    shell.ensure(f"file:{path}", desired("bbbb"),
                 secrets={"consumer:w/key": "sesame-2"})
    assert b"sesame-2" in server.client().get_object(
        Bucket=BUCKET, Key=path)["Body"].read()
    assert "sesame" not in shell.stderr()


# --- trees, skills, packages -----------------------------------------------

def test_big_tree(server, shell):
    """10 000 objects go by a list and a delete a thousand, odd keys among them."""
    root = server.client()
    odd = ["agents/big/a b+c%&#<>\"'.md", "agents/big/\u00e9\u4e2d.md",
           "agents/big/tab\tnewline\n.md", "agents/big/ctrl\x01.md"]
    for key in odd:
        root.put_object(Bucket=BUCKET, Key=key, Body=b"")
    # MinIO unpacks a tar into objects: 10 000 puts would take a minute.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for i in range(10000 - len(odd)):
            tar.addfile(tarfile.TarInfo(f"agents/big/d{i % 7}/f{i}"))
    root.put_object(Bucket=BUCKET, Key="many.tar", Body=packed.getvalue(),
                    Metadata={"snowball-auto-extract": "true"})
    root.put_object(Bucket=BUCKET, Key="agents/big2/stays", Body=b"")
    tree = {"path": "agents/big", "mode": "0700",
            "keep": ["agents/big/.keep"]}
    assert shell.ensure("tree:agents/big", tree) == ["made agents/big/.keep"]
    assert shell.ensure("tree:agents/big", tree) == []
    assert shell.remove("tree:agents/big") == ["removed 10001 files"]
    # 11 batches, the last of one; then a list of nothing; and a key that XML
    # cannot name goes alone.
    assert shell.calls <= 11 + 11 + 1 + 1, shell.calls
    left = root.list_objects_v2(Bucket=BUCKET, Prefix="agents/big")
    assert [o["Key"] for o in left["Contents"]] == ["agents/big2/stays"]
    assert shell.remove("tree:agents/big", observed=tree) == []
    # The tree of all is never emptied.
    assert shell.remove("tree:agents", observed={"path": "agents"}) == []
    shared = {"path": "shared", "mode": "0700", "forever": True,
              "keep": ["shared/tasks/.gitkeep"]}
    shell.ensure("tree:shared", shared)
    assert shell.remove("tree:shared") == []
    assert code_of(root.head_object, Key="shared/tasks/.gitkeep") == "ok"


def test_hidden_object(server, shell):
    """"a" hides "a/b" from lists; both go."""
    root = server.client()
    for key in ("agents/hide/a/b", "agents/hide/a"):
        code_of(root.put_object, Key=key, Body=b"x")
    shell.remove("tree:agents/hide", observed={"path": "agents/hide"})
    for key in ("agents/hide/a/b", "agents/hide/a"):
        assert code_of(root.head_object, Key=key) == "404"


def skill_digest(directory):
    """As the library of the controller computes it."""
    import hashlib
    h = hashlib.sha256()
    for p in sorted(str(p.relative_to(directory))
                    for p in pathlib.Path(directory).rglob("*")
                    if p.is_file()):
        data = (pathlib.Path(directory) / p).read_bytes()
        h.update(p.encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
    return h.hexdigest()


def test_skills(server, tmp_path):
    root = server.client()
    for skill in ("find", "fetch"):
        (tmp_path / "skills/worker" / skill / "bin").mkdir(parents=True)
        (tmp_path / "skills/worker" / skill / "SKILL.md").write_text(skill)
        (tmp_path / "skills/worker" / skill / "bin/x.sh").write_text("x")

    def desired(*names):
        return {"path": "agents/sk/skills", "skills": {
            n: {"set": "worker",
                "digest": skill_digest(tmp_path / "skills/worker" / n)}
            for n in names}}

    def body(path):
        return root.get_object(Bucket=BUCKET, Key=f"agents/sk/skills/{path}")[
            "Body"].read()

    key, both = "skills:sk", desired("find", "fetch")
    settings = dict(server.settings(), templates_dir=str(tmp_path))
    with Shell("minio", settings) as sh:
        sh.ensure(f"bucket:{BUCKET}", {"name": BUCKET})
        assert sh.ensure(key, both) == ["wrote skill find",
                                        "wrote skill fetch"]
        assert sh.ensure(key, both) == [] and sh.calls == 0
        assert body("find/SKILL.md") == b"find"
        assert sh.observe() == {}
        # Drift: one changed, one gone; an agent's own file stays.
        root.put_object(Bucket=BUCKET, Key="agents/sk/skills/find/SKILL.md",
                        Body=b"hacked")
        root.delete_object(Bucket=BUCKET, Key="agents/sk/skills/fetch/bin/x.sh")
        root.put_object(Bucket=BUCKET, Key="agents/sk/skills/find/own.md",
                        Body=b"own")
        assert list(sh.observe()) == [key]
        assert len(sh.left(key, both)) == 2
        sh.ensure(key, both)
        assert sh.writes == 2, "only what was changed is written"
        assert body("find/SKILL.md") == b"find"
        assert body("fetch/bin/x.sh") == b"x"
        # A new text; and a skill that is no longer listed.
        (tmp_path / "skills/worker/find/SKILL.md").write_text("find 2")
        (tmp_path / "skills/worker/find/bin/x.sh").unlink()
        with pytest.raises(Failed) as e:
            sh.ensure(key, dict(both, skills={"find": {
                "set": "worker", "digest": "0" * 64}}))
        assert e.value.kind == "retry" and "templates" in e.value.msg
        with pytest.raises(Failed) as e:
            sh.ensure(key, {"path": "agents/sk/skills", "skills": {
                "none": {"set": "extra", "digest": ""},
                "find": {"set": "worker", "digest": skill_digest(
                    tmp_path / "skills/worker/find")}}})
        assert e.value.kind == "user" and "none in the set" in e.value.msg
        assert body("find/SKILL.md") == b"find 2", "the others are done"
        assert sh.ensure(key, desired("find")) == ["removed skill fetch"]
        assert body("find/SKILL.md") == b"find 2"
        left = [o["Key"] for o in root.list_objects_v2(
            Bucket=BUCKET, Prefix="agents/sk/")["Contents"]]
        assert left == ["agents/sk/skills/find/SKILL.md",
                        "agents/sk/skills/find/own.md"]
        sh.remove(key)
        assert body("find/own.md") == b"own"
        assert code_of(root.head_object,
                       Key="agents/sk/skills/find/SKILL.md") == "404"


def make_package(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in files.items():
            z.writestr(name, text)


def test_package(server, tmp_path):
    """Seeds once; a new package replaces only what the agent left alone."""
    root = server.client()

    def body(path):
        return root.get_object(Bucket=BUCKET, Key=f"agents/pk/{path}")[
            "Body"].read()

    make_package(tmp_path / "one.zip", {
        "config/SOUL.md": "soul 1", "config/AGENTS.md": "agents 1",
        "config/old.md": "old", "skills/s/SKILL.md": "s"})
    make_package(tmp_path / "two.zip", {
        "config/SOUL.md": "soul 2", "config/AGENTS.md": "agents 2",
        "config/new.md": "new", "skills/s/SKILL.md": "s"})
    root.put_object(Bucket=BUCKET, Key="agents/pk/skills/s/SKILL.md",
                    Body=b"was there")

    def desired(name):
        return {"path": "agents/pk", "uri": f"file://{tmp_path}/{name}.zip",
                "runtime": "openclaw"}

    key = "package:pk"
    with Shell("minio", server.settings(imports=str(tmp_path))) as sh:
        did = sh.ensure(key, desired("one"))
        assert "seeded SOUL.md" in did
        assert body("SOUL.md") == b"soul 1" and body("old.md") == b"old"
        assert body("skills/s/SKILL.md") == b"was there"
        assert sh.ensure(key, desired("one")) == [] and sh.calls == 0
        assert sh.observe() == {}
        root.put_object(Bucket=BUCKET, Key="agents/pk/SOUL.md",
                        Body=b"my own soul")
        assert sh.observe() == {}
        did = sh.ensure(key, desired("two"))
        assert "kept SOUL.md: changed by the agent" in did
        assert "updated AGENTS.md" in did and "removed old.md" in did
        assert body("SOUL.md") == b"my own soul"
        assert body("AGENTS.md") == b"agents 2" and body("new.md") == b"new"
        assert body("skills/s/SKILL.md") == b"was there"
        # A home that lost everything is seeded anew.
        sh.remove("tree:agents/pk", observed={"path": "agents/pk"})
        assert sh.observe({key: sh.observed[key]}) == {key: None}
        sh.ensure(key, desired("two"))
        assert body("SOUL.md") == b"soul 2"


def test_package_fetched_once(server, tmp_path):
    """A hundred agents of one package: it is read once."""
    make_package(tmp_path / "p.zip", {"config/SOUL.md": "soul"})
    with Shell("minio", server.settings()) as sh:
        root = server.client()
        root.upload_file(str(tmp_path / "p.zip"), BUCKET,
                         "hiclaw-config/packages/p.zip")
        calls = 0
        for i in range(100):
            sh.ensure(f"package:f{i}", {
                "path": f"agents/f{i}", "uri": "packages/p.zip",
                "runtime": "openclaw"})
            calls += sh.calls
        assert calls == 101, "one get, and a put each"


# --- cost ------------------------------------------------------------------

def test_cost_of_a_look(server, shell):
    """An unchanged look does not grow with the number of agents."""
    def add(first, last):
        for i in range(first, last):
            path = f"agents/cost{i}/SOUL.md"
            shell.ensure(f"file:{path}", file_of(path, "x"))
    add(0, 20)
    secret = {"secret": "s" * 48}
    for name in ("costa", "costb"):
        shell.ensure(f"user:{name}", {"name": name, "policies": ["agent"]},
                     secrets=secret)
    assert shell.observe() == {}
    few = shell.calls
    add(20, 200)
    shell.many("ensure", {f"user:cost{i}": (
        {"name": f"cost{i}", "policies": ["agent"]}, secret)
        for i in range(60)})
    assert shell.observe() == {}
    assert shell.calls == few, "one page, one export, one bucket"
    assert few == 3


# --- bad days --------------------------------------------------------------

def test_outage(server, shell):
    """A killed server is an outage, not an empty bucket; afterwards all is as it
    was, and what was not done is done."""
    works = {f"file:agents/kill/f{i}": file_of(f"agents/kill/f{i}", f"{i}\n")
             for i in range(40)}
    for i, (key, desired) in enumerate(works.items()):
        if i == 20:
            server.kill()
        if i >= 20:
            answer = shell.attempt("ensure", key, desired)
            assert answer["err"]["kind"] == "retry"
        else:
            shell.ensure(key, desired)
    with pytest.raises(Failed) as e:
        shell.observe()
    assert e.value.kind == "retry"
    # Asked in the very moment it comes up.
    server.start(wait=False)
    end = time.monotonic() + 30
    while shell.attempt("ensure", "user:killed", {
            "name": "killed", "policies": ["agent"]},
            secrets={"secret": "s" * 48})["rc"] != 0:
        assert time.monotonic() < end
        time.sleep(0.05)
    for i, (key, desired) in enumerate(works.items()):
        did = shell.ensure(key, desired, may_exist=True)
        assert did == ([] if i < 20 else ["written"]), key
    assert shell.observe() == {}


def test_wrong_key(server, shell):
    """Refused is refused: nothing is taken for absent."""
    with Shell("minio", server.settings(secret_key="wrong-secret")) as sh:
        answer = sh.attempt("ensure", "file:agents/a/S",
                            file_of("agents/a/S", "x", "seed"))
        assert answer["err"]["kind"] == "denied"
        assert "SignatureDoesNotMatch" in answer["err"]["msg"]
        with pytest.raises(Failed):
            sh.observe({"file:agents/a/S": {"path": "agents/a/S",
                                            "version": "x"}})
        assert "wrong-secret" not in sh.stderr()


def test_plain_s3(tmp_path):
    """Only S3: another region than we think, a bucket that is not there yet or
    any more."""
    m = minio.Minio(tmp_path, MINIO_SITE_REGION="eu-test-1")
    try:
        with Shell("s3", m.settings("s3")) as sh:
            path = "agents/a/SOUL.md"
            answer = sh.attempt("ensure", f"file:{path}", file_of(path, "x"))
            assert answer["err"]["kind"] == "retry", "no bucket yet"
            assert sh.ensure(f"bucket:{BUCKET}", {"name": BUCKET}) == ["made"]
            assert sh.ensure(f"bucket:{BUCKET}", {"name": BUCKET}) == []
            assert sh.ensure(f"file:{path}", file_of(path, "x")) == ["written"]
            assert sh.calls == 1, "the region is known now"
            assert sh.observe() == {}
            answer = sh.attempt("ensure", "user:dev", DEV)
            assert answer["err"]["kind"] == "user", "no users here"
            assert sh.query(op="list", path="agents/a") == {
                "files": [{"path": path, "size": 1}]}
            assert sh.query(op="get", path=path, max=100) == {"text": "x"}
            many = {f"file:agents/a/{i}": file_of(f"agents/a/{i}", "y")
                    for i in range(30)}
            for key, desired in many.items():
                sh.ensure(key, desired)
            sh.many("remove", dict.fromkeys(many))
            assert sh.calls == 1
            shutil.rmtree(m.data / BUCKET)
            assert sh.observe() == {
                f"bucket:{BUCKET}": None, f"file:{path}": None}
    finally:
        m.stop()


def test_session_token(server, shell):
    """Temporary keys work with their token, and only with it."""
    import boto3
    secret = make_user(shell, "temp", "agent")
    keys = boto3.client(
        "sts", endpoint_url=server.url, aws_access_key_id="temp",
        aws_secret_access_key=secret, region_name="us-east-1").assume_role(
            RoleArn="arn:x:ignored:by:minio:", RoleSessionName="test",
            DurationSeconds=900)["Credentials"]
    base = server.settings("s3", access_key=keys["AccessKeyId"],
                           secret_key=keys["SecretAccessKey"])
    base["storage"]["session_token"] = keys["SessionToken"]
    path = "agents/temp/SOUL.md"
    with Shell("s3", base) as sh:
        assert sh.ensure(f"file:{path}", file_of(path, "x")) == ["written"]
        answer = sh.attempt("ensure", "file:agents/dev/x",
                            file_of("agents/dev/x", "x"))
        assert answer["err"]["kind"] == "denied"
        assert keys["SessionToken"] not in sh.stderr()
    del base["storage"]["session_token"]
    with Shell("s3", base) as sh:
        answer = sh.attempt("ensure", f"file:{path}", file_of(path, "y"))
        assert answer["rc"] == -1


@pytest.mark.parametrize("settings, word", [
    ({"url": "ftp://x"}, "http"), ({"url": "http://h/path"}, "http"),
    ({"bucket": "B"}, "bucket"), ({"secret_key": None}, "secret_key"),
])
def test_settings(tmp_path, settings, word):
    import subprocess
    import shell
    base = {"provider": "minio", "url": "http://127.0.0.1:1",
            "bucket": BUCKET, "access_key": "a", "secret_key": "b"}
    p = subprocess.run(
        [shell.program(), "minio", json.dumps(
            {"storage": {**base, **settings}})],
        input=b"", capture_output=True, timeout=30)
    assert p.returncode != 0
    assert word in p.stderr.decode() + p.stdout.decode()
    assert os.path.exists(shell.program())
