"""What only Docker says, by a scripted Engine API: its codes, its pulls, TLS
with certificates on both sides, and what nobody wants any more."""
import base64
import json
import struct
import subprocess
import time

import pytest

from fakedocker import FakeDocker
from shell import Shell

INSTANCE = "hiclaw-0000test"
NAME = f"{INSTANCE}-alice"
OURS = {"hiclaw.io/instance": INSTANCE, "hiclaw.io/name": "alice"}
DESIRED = {"name": NAME, "labels": OURS, "image": "nano:1", "env": {},
           "network": {"name": "net", "aliases": []}, "limits": {},
           "mounts": [], "state": "running", "restart": 0, "config": [],
           "period": 1, "token_dir": "/run/t", "stop_s": 1}
NONE = {"message": f"No such container: {NAME}"}


@pytest.fixture
def engine(tmp_path):
    with FakeDocker(tmp_path / "docker.sock") as d:
        d.socket_path = tmp_path / "docker.sock"
        yield d


@pytest.fixture
def shell(engine):
    with Shell("docker", settings(engine)) as sh:
        yield sh


def settings(engine, **more):
    return {"instance": INSTANCE, "containers": {
        "provider": "docker", "url": f"unix://{engine.socket_path}", **more}}


def inspect(labels=OURS, status="running", **state):
    return {"Id": "abc", "Name": "/" + NAME, "Image": "sha256:1",
            "Config": {"Labels": labels, "StopTimeout": 1},
            "State": {"Status": status,
                      "StartedAt": "2026-11-26T02:00:00Z", **state},
            "NetworkSettings": {}}


def ensure(shell, **more):
    return shell.attempt("ensure", "container:alice", {**DESIRED, **more},
                         secrets={"token": "t" * 20})


def sent(engine, method):
    return [c[1] for c in engine.calls if c[0] == method]


@pytest.mark.parametrize("status,text", [
    (409, "Conflict. The container name is already in use by container x"),
    (500, "creating container storage: the container name is already in use")])
def test_name_is_taken(engine, shell, status, text):
    """Between our look and our call somebody else was quicker."""
    engine.on("GET", f"/containers/{NAME}/json", 404, NONE)
    engine.on("GET", f"/containers/{NAME}/json", 200, inspect(labels={}))
    engine.on("POST", "/containers/create", status, {"message": text})
    answer = ensure(shell)
    assert answer["err"]["kind"] == "conflict"
    assert "not ours" in answer["err"]["msg"]
    assert len(sent(engine, "POST")) == 1 and not sent(engine, "DELETE")


def test_image_went_away(engine, shell):
    engine.on("GET", f"/containers/{NAME}/json", 404, NONE)
    engine.on("POST", "/containers/create", 404,
              {"message": "No such image: nano:1"})
    answer = ensure(shell)
    assert answer["err"]["kind"] == "retry"
    assert "No such image: nano:1" in answer["err"]["msg"]


@pytest.mark.parametrize("version,used", [
    ("1.40", "/v1.40/"), ("1.41", "/v1.41/"), ("1.99", "/v1.44/")])
def test_version(tmp_path, version, used):
    with FakeDocker(tmp_path / "s", version=version) as d:
        d.socket_path = tmp_path / "s"
        d.on("GET", "/networks/net", 404)
        d.on("POST", "/networks/create", 403, {"message": "no"})
        with Shell("docker", settings(d)) as sh:
            answer = sh.attempt("ensure", "network:x", {"name": "net"})
            assert answer["err"]["kind"] == "denied"
        paths = [c[1] for c in d.calls]
        assert paths[0] == "/_ping"
        assert all(p.startswith(used) for p in paths[1:])


def test_too_old_or_no_engine(tmp_path):
    with FakeDocker(tmp_path / "s", version="1.24") as d:
        d.socket_path = tmp_path / "s"
        with Shell("docker", settings(d)) as sh:
            answer = sh.attempt("ensure", "network:x", {"name": "net"})
            assert answer["err"]["kind"] == "broken"
            assert "too old" in answer["err"]["msg"]
            d.answers["GET", "/_ping"] = [(404, "hello")]
            answer = sh.attempt("ensure", "network:x", {"name": "net"})
            assert "no container engine" in answer["err"]["msg"]


def test_init_is_not_there(engine, shell):
    """It is made again without one, and that is remembered."""
    engine.on("GET", f"/containers/{NAME}/json", 404, NONE)
    engine.on("GET", f"/containers/{NAME}/json", 200, inspect())
    engine.on("GET", "/containers/abc/json", 200, inspect())
    engine.on("PUT", "/containers/abc/archive", 200)
    engine.on("POST", "/containers/create", 500, {
        "message": "container-init binary not found on the host"})
    engine.on("POST", "/containers/create", 201, {"Id": "abc"})
    ensure(shell)
    bodies = [json.loads(c[3]) for c in engine.calls
              if c[0] == "POST" and "create" in c[1]]
    assert [b["HostConfig"].get("Init") for b in bodies] == [True, None]
    assert len(sent(engine, "PUT")) == 1


def test_port_is_new_after_each_start(engine, shell):
    """Docker chooses again: it is read again after each start."""
    labels = {**OURS}

    def seen(status, port):
        v = inspect(labels, status)
        v["State"]["StartedAt"] = f"2026-11-26T02:00:0{port}Z"
        v["NetworkSettings"] = {"Ports": {"8080/tcp": [
            {"HostIp": "127.0.0.1", "HostPort": str(32760 + port)}]}
            if status == "running" else {}}
        return v

    def created(path, body):
        labels.update(json.loads(body)["Labels"])
        return {"Id": "abc"}
    engine.on("GET", f"/containers/{NAME}/json", 404, NONE)
    engine.on("GET", f"/containers/{NAME}/json", 200,
              lambda *_: seen("created", 1))
    for answer in (seen("running", 1), seen("exited", 1), seen("running", 2)):
        answer["Config"]["Labels"] = labels
        engine.on("GET", "/containers/abc/json", 200, answer)
    engine.on("PUT", "/containers/abc/archive", 200)
    engine.on("POST", "/containers/create", 201, created)
    engine.on("POST", "/containers/abc/start", 204)
    engine.on("GET", "/containers/abc/logs", 200, b"")
    assert ensure(shell, ports=[8080])["did"] == ["made"]
    assert shell.observed["container:alice"]["ports"] == {
        "8080": "127.0.0.1:32761"}
    assert ensure(shell, ports=[8080])["rc"] == 0
    assert shell.observed["container:alice"]["ports"] == {
        "8080": "127.0.0.1:32762"}


def test_delete_in_progress(engine, shell):
    engine.on("GET", "/containers/", 200, inspect(status="exited"))
    engine.on("DELETE", "/containers/abc", 409, {
        "message": "removal of container abc is already in progress"})
    answer = shell.attempt("remove", "container:alice")
    assert answer["err"]["kind"] == "retry"
    assert all("force=1&v=1" in p for p in sent(engine, "DELETE"))


# --- logs -----------------------------------------------------------------

def frames(lines):
    """As the engine sends them: stream, length, text."""
    return b"".join(struct.pack(">BxxxL", 2 if i % 2 else 1, len(t)) + t
                    for i, t in enumerate(lines))


def test_newest_lines_stay(engine, shell):
    """There is a limit to what is read of a log: what goes is the oldest."""
    engine.on("GET", f"/containers/{NAME}/json", 200, inspect())
    engine.on("GET", "/containers/abc/logs", 200, frames(
        f"line {i} {'x' * 400}\n".encode() for i in range(1500)))
    lines = shell.query(op="logs", name="alice", tail=2000)["lines"]
    assert lines[-1]["text"].startswith("line 1499 ")
    assert 500 < len(lines) < 700
    assert sum(len(x["text"]) for x in lines) <= 256 * 1024
    first = int(lines[0]["text"].split()[1])
    assert [int(x["text"].split()[1]) for x in lines] == \
        list(range(first, 1500))
    assert {x["stream"] for x in lines} == {"stdout", "stderr"}


# --- pulls ----------------------------------------------------------------

REF = "registry.example:5000/agents/nano:1"


def pull(engine, lines, status=200, policy="missing", **more):
    engine.on("GET", "/images/", 404, {"message": "No such image"})
    engine.on("GET", "/images/", 200, {"Id": "sha256:abc"})
    engine.on("POST", "/images/create", status, lines)
    with Shell("docker", settings(engine, **more)) as sh:
        return sh.attempt("ensure", f"image:{REF}",
                          {"ref": REF, "pull": policy})


def test_pull_with_a_login(engine):
    answer = pull(engine, [{"status": "Downloading", "id": "a",
                            "progressDetail": {"current": 1, "total": 2}}],
                  registries=[
        {"host": "other.example", "username": "x", "password": "wrong"},
        {"host": "registry.example:5000", "username": "me?>",
         "password": "a secret~~?"}])
    assert answer["rc"] == 0 and answer["did"] == ["pulled"]
    assert answer["observed"] == {"ref": REF, "id": "sha256:abc"}
    call = next(c for c in engine.calls if c[0] == "POST")
    assert "fromImage=registry.example%3A5000%2Fagents%2Fnano&tag=1" in call[1]
    coded = call[2]["X-Registry-Auth"]
    assert "+" not in coded and "/" not in coded
    assert json.loads(base64.urlsafe_b64decode(coded)) == {
        "username": "me?>", "password": "a secret~~?",
        "serveraddress": "registry.example:5000"}


@pytest.mark.parametrize("status,answer,kind,word", [
    (200, [{"error": "x", "errorDetail": {"message": "manifest for x not "
            "found: manifest unknown"}}], "notfound", "has no image"),
    (200, [{"errorDetail": {"message": "unauthorized: incorrect username"},
            "error": "unauthorized"}], "denied", "does not let us have"),
    (404, {"message": "pull access denied for nano, repository does not "
           "exist or may require 'docker login'"}, "denied", "docker login"),
    (500, {"message": "Get \"https://registry.example:5000/v2/\": dial tcp: "
           "lookup registry.example: no such host"}, "retry", "no such host"),
])
def test_pull_fails(engine, status, answer, kind, word):
    got = pull(engine, answer, status)
    assert got["rc"] == -1 and got["err"]["kind"] == kind, got
    assert word in got["err"]["msg"] and "nano" in got["err"]["msg"]


def test_pull_policies(engine):
    engine.on("GET", "/images/", 200, {"Id": "sha256:abc"})
    engine.on("POST", "/images/create", 200, [{"status": "ok"}])
    with Shell("docker", settings(engine)) as sh:
        for policy, did in (("missing", []), ("never", []),
                            ("always", ["pulled"])):
            assert sh.ensure("image:x", {"ref": "x", "pull": policy}) == did
    assert len(sent(engine, "POST")) == 1


# --- what nobody wants ----------------------------------------------------


def row(name, age_s, **labels):
    return {"Id": f"id-{name}", "Names": [f"/{INSTANCE}-{name}"],
            "State": "running", "Created": int(time.time()) - age_s,
            "Labels": {"hiclaw.io/instance": INSTANCE, **labels}}


def test_orphans_need_more_than_one_look(engine, shell):
    engine.on("GET", "/containers/json", 200, json.dumps([
        row("old", 5000), row("young", 5), row("alice", 5000)]).encode())
    engine.on("GET", "/containers/", 404, NONE)
    for _ in range(2):
        assert shell.observe({"container:alice": {
            "name": NAME, "id": "id-alice", "state": "running"}}) == {}
    assert not sent(engine, "DELETE") and not sent(engine, "POST")


# --- far away -------------------------------------------------------------


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True,
                   capture_output=True)


@pytest.fixture
def certificates(tmp_path):
    d = tmp_path
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=test ca", "-keyout", "ca.key", "-out", "ca.pem",
            cwd=d)
    (d / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj",
                f"/CN={name}", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", cwd=d)
        openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA",
                "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile",
                "san", "-out", f"{name}.pem", cwd=d)
    return d


def test_tls(certificates):
    d = certificates
    ours = {"ca_file": f"{d}/ca.pem", "cert_file": f"{d}/client.pem",
            "key_file": f"{d}/client.key"}
    with FakeDocker(tls={"cert": d / "server.pem", "key": d / "server.key",
                         "ca": d / "ca.pem"}) as engine:
        engine.on("GET", "/volumes/v", 404)
        engine.on("POST", "/volumes/create", 201, {"Name": "v"})
        url = f"tcp://127.0.0.1:{engine.server_address[1]}"
        for files, ok in ((ours, True), ({"ca_file": ours["ca_file"]}, False),
                          ({"cert_file": ours["cert_file"],
                            "key_file": ours["key_file"]}, False)):
            with Shell("docker", {"instance": INSTANCE, "containers": {
                    "provider": "docker", "url": url, **files}}) as sh:
                answer = sh.attempt("ensure", "volume:v", {"name": "v"})
                assert (answer["rc"] == 0) == ok, answer
                if not ok:
                    assert answer["err"]["kind"] == "retry"


def test_bad_urls(tmp_path):
    for url in ("ftp://x", "unix://relative", "/run/docker.sock"):
        with pytest.raises(AssertionError, match="container engine is at"):
            with Shell("docker", {"instance": INSTANCE, "containers": {
                    "provider": "docker", "url": url}}) as sh:
                sh.ask(do="observe", items={})
