"""Containers on a real Podman: made, found again, replaced, stopped, dead and
started again, and never two of one name or one without our labels."""
import json
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

import podman
from client import eventually
from podman import INSTANCE
from shell import Failed, Shell

pytestmark = pytest.mark.skipif(
    not podman.available(), reason="no Podman, runc or busybox, or not root")

NET = f"{INSTANCE}-net"
TOKEN_DIR = "/var/run/secrets/hiclaw"
TOKEN = "a-token-of-tests-0123456789"
CALM = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


@pytest.fixture(scope="module")
def engine():
    with podman.Podman() as e:
        e.image("calm:1", CALM)
        e.image("calm:2", CALM + " # 2")
        e.image("talks:1", "echo one; echo two >&2; echo '\033[1mthree'; "
                + CALM)
        e.image("dies:1", "sleep 0.3; echo \"my key is $KEY\"; "
                "printf 'a\\033[31mb\\001c\\n'; exit 3")
        e.image("ends:1", "echo 'no such setting'; exit 4")
        e.image("eats:1", "sleep 0.3; exec tail /dev/zero")
        e.image("broken:1", "/no/such/program", "x")
        e.image("user:1", CALM, User="1234:1235")
        e.image("named:1", CALM, User="node", files={"etc/passwd": (
            "root:x:0:0::/:/bin/sh\nnode:x:77:78::/:/bin/sh\n", 0o644)})
        yield e


@pytest.fixture
def shell(engine):
    """A provider with its network, and an engine without containers."""
    engine.clear()
    with Shell("docker", engine.settings()) as sh:
        sh.ensure("network:agents", {"name": NET, "subnet": engine.subnet})
        yield sh
    engine.clear()


def form(shell, name="alice", image="calm:1", **more):
    """What world/ would want of it."""
    if f"image:{image}" not in shell.observed and \
            image not in ("none:1", "broken:1"):
        shell.ensure(f"image:{image}", {"ref": image, "pull": "never"})
    return {
        "name": f"{INSTANCE}-{name}",
        "labels": {"hiclaw.io/instance": INSTANCE, "hiclaw.io/name": name,
                   "hiclaw.io/kind": "Worker"},
        "image": image,
        "image_id": shell.observed.get(f"image:{image}", {}).get("id", "x"),
        "env": {"A": "b=c", "EMPTY": ""}, "read_only": True, "mounts": [],
        "network": {"name": NET, "aliases": [f"{name}.local"]},
        "hosts": {"hiclaw.internal":
                  shell.observed["network:agents"]["gateway"]},
        "limits": {"memory": 64 << 20, "cpus": 500, "pids": 64},
        "ports": [], "token_dir": TOKEN_DIR, "stop_s": 2,
        "state": "running", "restart": 0, "config": [], "period": 1, **more}


def make(shell, desired, token=TOKEN, **kw):
    key = "container:" + desired["labels"]["hiclaw.io/name"]
    return shell.ensure(key, desired, secrets={"token": token, **kw})


def attempt(shell, desired, **kw):
    key = "container:" + desired["labels"]["hiclaw.io/name"]
    return shell.attempt("ensure", key, desired,
                         secrets={"token": TOKEN, **kw})


def seen(shell, key="container:alice"):
    return shell.observed[key]


def inside(shell, *command, name="alice"):
    answer = shell.query(op="exec", name=name, command=list(command))
    assert answer["code"] == 0, answer
    return answer["output"]


def listen(shell):
    shell.ask(do="watch")
    return hear(shell, lambda h: h is None)


def hear(shell, wanted, seconds=5):
    """The first of what comes that is wanted; the rest is taken in as the
    engine does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for h in shell.ask(do="heard", wait_ms=200)["heard"]:
            if h is not None:
                for key, form_ in shell.observed.items():
                    if form_ and form_.get("id") == h[0]:
                        shell.observed[key] = shell.ask(
                            do="absorb", key=key, observed=form_,
                            event=h[1])["observed"]
            if wanted(h):
                return h
    raise AssertionError("nothing was heard")


def is_state(state):
    return lambda h: h is not None and h[1].get("state") == state


def is_gone(h):
    return h is not None and h[1].get("gone")


# --- a life --------------------------------------------------------------


def test_made_with_everything(engine, shell):
    assert make(shell, form(shell, user="0:0", ports=[8080])) == ["made"]
    c = engine.inspect(f"{INSTANCE}-alice")
    assert c["State"]["Running"]
    host, labels = c["HostConfig"], c["Config"]["Labels"]
    assert labels["hiclaw.io/instance"] == INSTANCE
    assert labels["hiclaw.io/kind"] == "Worker"
    assert labels["hiclaw.io/spec-hash"] == seen(shell)["hash"]
    assert "A=b=c" in c["Config"]["Env"] and "EMPTY=" in c["Config"]["Env"]
    assert host["ReadonlyRootfs"] and host["Memory"] == 64 << 20
    assert host["NanoCpus"] == 500000000 and host["PidsLimit"] == 64
    assert "no-new-privileges" in json.dumps(host["SecurityOpt"])
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert c["Config"]["StopTimeout"] == 2
    status = inside(shell, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status, status
    assert "NoNewPrivs:\t1" in status
    assert inside(shell, "sh", "-c", "touch /x 2>&1 || echo no").strip() \
        .endswith("no")
    assert inside(shell, "sh", "-c", "touch /tmp/x && echo yes") == "yes\n"
    assert "hiclaw.internal" in inside(shell, "cat", "/etc/hosts")


def test_limits_are_seen_inside(shell):
    make(shell, form(shell))
    def cgroup(new, old):
        return inside(shell, "sh", "-c",
                      f"cat /sys/fs/cgroup/{new} 2>/dev/null "
                      f"|| cat /sys/fs/cgroup/{old}").split()[0]
    assert cgroup("memory.max", "memory/memory.limit_in_bytes") \
        == str(64 << 20)
    assert cgroup("pids.max", "pids/pids.max") == "64"
    assert cgroup("cpu.max", "cpu/cpu.cfs_quota_us") == "50000"


def test_made_once(engine, shell):
    desired = form(shell)
    make(shell, desired)
    first = seen(shell)["id"]
    assert make(shell, desired) == []
    # The database was lost: it is found by its name and kept.
    shell.observed["container:alice"] = None
    assert make(shell, desired) == []
    assert seen(shell)["id"] == first
    assert list(engine.all()) == [f"{INSTANCE}-alice"]


def test_stop_start_remove(engine, shell):
    desired = form(shell)
    make(shell, desired)
    first = seen(shell)
    assert make(shell, {**desired, "state": "stopped"}) == ["stopped"]
    assert seen(shell)["state"] == "stopped" and "died" not in seen(shell)
    assert engine.inspect(first["id"])["State"]["ExitCode"] == 0
    assert make(shell, {**desired, "state": "stopped"}) == []
    assert make(shell, desired) == ["started"]
    assert seen(shell)["id"] == first["id"]
    assert seen(shell)["started"] != first["started"]
    assert "deaths" not in seen(shell)
    assert shell.remove("container:alice") == ["removed"]
    assert shell.remove("container:alice") == []
    assert engine.all() == {}
    assert engine.api("GET", "/volumes")["Volumes"] in (None, [])


def test_nothing_is_made_for_one_that_sleeps(engine, shell):
    assert make(shell, form(shell, state="stopped")) == []
    assert engine.all() == {} and seen(shell)["state"] == "stopped"
    assert shell.observe() == {}
    assert make(shell, form(shell)) == ["made"]


@pytest.mark.parametrize("change,what", [
    ({"image": "calm:2"}, {"image", "image_id"}),
    ({"limits": {"memory": 65 << 20, "cpus": 500, "pids": 64}}, {"limits"}),
    ({"env": {"A": "other"}}, {"env"}),
    ({"ports": [9000]}, {"ports"}),
    ({"user": "0:0"}, {"user"}),
])
def test_replaced(engine, shell, change, what):
    desired = form(shell)
    make(shell, desired)
    first = seen(shell)["id"]
    image = change.get("image", "calm:1")
    new = {**form(shell, image=image), **change}
    left = shell.left("container:alice", new)
    assert {c[0] for c in left} == what
    assert {c[2] for c in left} == {"recreate"}
    assert {c[3] for c in left} == {"restart"}
    assert make(shell, new) == ["made anew"]
    assert seen(shell)["id"] != first
    assert list(engine.all()) == [f"{INSTANCE}-alice"]
    assert make(shell, new) == []


@pytest.mark.parametrize("change,word,did", [
    ({"restart": 1}, "restart", ["restarted"]),
    ({"config": ["abc"]}, "restart", ["restarted"]),
    ({"config": [None]}, None, []),
    ({"period": 2}, "token", ["token renewed"]),
    ({"stop_s": 3}, None, []), ({"pull": "always"}, None, []),
])
def test_kept(shell, change, word, did):
    desired = form(shell)
    make(shell, desired)
    first = seen(shell)
    new = {**desired, **change}
    assert [c[2] for c in shell.left("container:alice", new)] == \
        ([word] if word else [])
    assert make(shell, new, token="another-token") == did
    assert seen(shell)["id"] == first["id"]
    assert (seen(shell)["started"] == first["started"]) == (word != "restart")
    assert inside(shell, "cat", f"{TOKEN_DIR}/token") == "another-token"


def test_paused(engine, shell):
    desired = form(shell)
    make(shell, desired)
    listen(shell)
    engine.podman("pause", f"{INSTANCE}-alice")
    hear(shell, is_state("paused"))
    assert shell.left("container:alice", desired)[0][2] == "start"
    assert make(shell, desired) == ["resumed"]


def test_renamed(engine, shell):
    desired = form(shell)
    make(shell, desired)
    engine.podman("rename", f"{INSTANCE}-alice", "other")
    assert make(shell, desired) == ["renamed back"]
    assert list(engine.all()) == [f"{INSTANCE}-alice"]


# --- whose it is ---------------------------------------------------------


@pytest.mark.parametrize("labels", [[], ["hiclaw.io/instance=hiclaw-other"]])
def test_somebody_elses_is_left_alone(engine, shell, labels):
    name = f"{INSTANCE}-alice"
    engine.podman("run", "-d", "--name", name, "--network", "none",
                  *[x for v in labels for x in ("--label", v)], "calm:1")
    before = engine.inspect(name)
    for do in ("ensure", "ensure", "remove"):
        answer = shell.attempt(do, "container:alice", form(shell)
                               if do == "ensure" else None,
                               secrets={"token": TOKEN}, observed={
                                   "name": name} if do == "remove" else None)
        if do == "ensure":
            assert answer["err"]["kind"] == "conflict"
            assert ("hiclaw-other" in answer["err"]["msg"]) == bool(labels)
        else:
            assert answer["rc"] == 0 and answer["did"] == []
    after = engine.inspect(name)
    assert after["Id"] == before["Id"] and after["State"]["Running"]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    with pytest.raises(Failed) as e:
        shell.query(op="logs", name="alice")
    assert e.value.kind == "notfound"


def test_others_networks_and_volumes(engine, shell):
    engine.podman("network", "create", "theirs")
    engine.podman("volume", "create", "theirs")
    try:
        for key in ("network:x", "volume:x"):
            answer = shell.attempt("ensure", key, {
                "name": "theirs", "subnet": "10.250.1.0/24"})
            assert answer["err"]["kind"] == "conflict"
            shell.attempt("remove", key, observed={"name": "theirs"})
        assert "theirs" in engine.podman("network", "ls")
        assert "theirs" in engine.podman("volume", "ls")
    finally:
        engine.podman("network", "rm", "theirs")
        engine.podman("volume", "rm", "theirs")


def test_network_and_volume(engine, shell):
    observed = shell.observed["network:agents"]
    assert observed["subnet"] == engine.subnet
    assert observed["gateway"] == engine.gateway
    desired = {"name": "homes-alice", "labels": {
        "hiclaw.io/instance": INSTANCE}}
    assert shell.ensure("volume:alice", desired) == ["made"]
    assert shell.ensure("volume:alice", desired) == []
    make(shell, form(shell, mounts=[{
        "type": "volume", "source": "homes-alice", "target": "/home"}]))
    inside(shell, "touch", "/home/kept")
    assert shell.observe() == {}
    # In use, it stays, and that is no answer for ever.
    answer = shell.attempt("remove", "volume:alice")
    assert answer["err"]["kind"] == "retry"
    shell.remove("container:alice")
    make(shell, form(shell, mounts=[{
        "type": "volume", "source": "homes-alice", "target": "/home",
        "read_only": True}]))
    assert "kept" in inside(shell, "ls", "/home")
    shell.remove("container:alice")
    assert shell.remove("volume:alice") == ["removed"]
    engine.podman("network", "rm", NET)
    assert shell.observe() == {"network:agents": None}


def test_home_is_bound(engine, shell, tmp_path):
    (tmp_path / "SOUL.md").write_text("kind")
    make(shell, form(shell, user="0:0", mounts=[{
        "type": "bind", "source": str(tmp_path), "target": "/root/home"}]))
    assert inside(shell, "cat", "/root/home/SOUL.md") == "kind"
    inside(shell, "sh", "-c", "echo new > /root/home/new")
    assert (tmp_path / "new").read_text() == "new\n"


# --- its token -----------------------------------------------------------


@pytest.mark.parametrize("image,more,owner", [
    ("calm:1", {"user": "0:0"}, "0 0"), ("calm:1", {}, "0 0"),
    ("user:1", {}, "1234 1235"), ("calm:1", {"user": "77"}, "77 0"),
    ("named:1", {}, "77 78")])
def test_token(engine, shell, image, more, owner):
    make(shell, form(shell, image=image, **more))
    assert inside(shell, "cat", f"{TOKEN_DIR}/token") == TOKEN
    assert inside(shell, "stat", "-c", "%a %u %g", f"{TOKEN_DIR}/token") \
        == f"600 {owner}\n"
    text = json.dumps(engine.inspect(f"{INSTANCE}-alice"))
    assert TOKEN not in text
    assert TOKEN not in json.dumps(seen(shell))
    # Nothing of it is left behind.
    assert shell.remove("container:alice") == ["removed"]
    found = [p for p in pathlib.Path(engine.dir).rglob("token")
             if p.is_file()]
    assert found == []


def test_secrets_in_the_environment(engine, shell):
    desired = form(shell, env={"KEY": {"$secret": "consumer:x/key",
                                       "id": "1"}})
    answer = attempt(shell, desired)
    assert answer["err"]["kind"] == "retry" and engine.all() == {}
    make(shell, desired, **{"consumer:x/key": "the-key-of-alice"})
    env = engine.inspect(f"{INSTANCE}-alice")["Config"]["Env"]
    assert "KEY=the-key-of-alice" in env
    assert "the-key" not in json.dumps(seen(shell))
    # A new one needs a new container.
    desired["env"]["KEY"]["id"] = "2"
    assert make(shell, desired, **{"consumer:x/key": "another-key"}) \
        == ["made anew"]


# --- ports and network ---------------------------------------------------


def test_port_on_the_loopback(engine, shell):
    engine.image("serves:1", "while true; do echo hello | "
                 "nc -l -p 8080; done")
    desired = form(shell, image="serves:1", ports=[8080])
    make(shell, desired)

    def ask():
        host, port = seen(shell)["ports"]["8080"].split(":")
        assert host == "127.0.0.1"
        try:
            with socket.create_connection((host, int(port)), 5) as s:
                return s.recv(100) == b"hello\n"
        except ConnectionRefusedError:      # its nc is just starting
            return False
    eventually(ask, 10, what="an answer on the port")
    make(shell, {**desired, "restart": 1})
    eventually(ask, 10, what="an answer after the restart")
    make(shell, {**desired, "state": "stopped"})
    assert "ports" not in seen(shell)


def test_reaches_the_machine_and_each_other(engine, shell):
    """The gateway of the network is this machine; names are known."""
    make(shell, form(shell))
    make(shell, form(shell, name="bob"))
    with socket.create_server((engine.gateway, 0)) as server:
        port = server.getsockname()[1]
        got = []

        def serve():
            conn, _ = server.accept()
            with conn:
                got.append(conn.recv(100))
        t = threading.Thread(target=serve, daemon=True)
        t.start()
        shell.query(op="exec", name="alice", command=[
            "sh", "-c", f"echo hi | nc -w 2 hiclaw.internal {port}"])
        t.join(5)
        assert got == [b"hi\n"]
    out = shell.query(op="exec", name="alice", command=[
        "nslookup", "bob.local"])["output"]
    assert seen(shell, "container:bob")["ip"] in out


# --- death ---------------------------------------------------------------


def test_killed(engine, shell):
    desired = form(shell)
    make(shell, desired)
    shell.observed["container:alice"]["ready_until"] = 1
    listen(shell)
    began = time.monotonic()
    os.kill(engine.pid(f"{INSTANCE}-alice"), signal.SIGKILL)
    hear(shell, is_state("stopped"))
    assert time.monotonic() - began < 2
    assert "ready_until" not in seen(shell)
    assert seen(shell)["died"]["code"] == 137 and seen(shell)["deaths"] == 1
    assert make(shell, desired) == ["started again after it was out of "
                                    "memory or killed (exit code 137)"]
    assert seen(shell)["deaths"] == 1
    # What the engine tells of that later changes nothing.
    hear(shell, is_state("running"))
    assert seen(shell)["state"] == "running" and seen(shell)["deaths"] == 1
    assert make(shell, desired) == []


def test_removed_by_somebody(engine, shell):
    desired = form(shell)
    make(shell, desired)
    listen(shell)
    began = time.monotonic()
    engine.podman("rm", "-f", "-t", "0", f"{INSTANCE}-alice")
    began = time.monotonic()
    hear(shell, is_gone)
    assert time.monotonic() - began < 2
    assert seen(shell)["state"] == "gone" and "id" not in seen(shell)
    assert make(shell, desired) == ["made again"]
    assert list(engine.all()) == [f"{INSTANCE}-alice"]


def test_dies_again_and_again(shell):
    """The reason, how often, and its last words without its key."""
    desired = form(shell, image="dies:1", read_only=False, env={
        "KEY": {"$secret": "consumer:x/key", "id": "1"}})
    secrets = {"consumer:x/key": "the-key-of-alice"}
    listen(shell)
    make(shell, desired, **secrets)
    for n in (1, 2, 3):
        hear(shell, is_state("stopped"))
        assert seen(shell)["deaths"] == n
        assert make(shell, desired, **secrets) == \
            ["started again after exit code 3"]
        died = seen(shell)["died"]
        assert died["code"] == 3 and not died["oom"]
        assert died["log"][-2:] == ["my key is ***", "ab c"]
    assert "the-key" not in json.dumps(seen(shell))
    # Made to stop by us is no death.
    hear(shell, is_state("stopped"))
    assert make(shell, {**desired, "state": "stopped"}, **secrets) == []


def test_ends_at_once(shell):
    answer = attempt(shell, form(shell, image="ends:1"))
    for _ in range(3):      # whether it is seen alive is a matter of luck
        if answer["rc"] != 0:
            break
        time.sleep(0.3)
        answer = attempt(shell, form(shell, image="ends:1"))
        assert answer["did"] == ["started again after exit code 4"] \
            or answer["rc"] != 0
    if answer["rc"] != 0:
        assert answer["err"]["kind"] == "retry"
        assert "exit code 4" in answer["err"]["msg"]
        assert "no such setting" in answer["err"]["msg"]
    assert seen(shell)["died"]["code"] == 4


def test_out_of_memory(shell):
    desired = form(shell, image="eats:1",
                   limits={"memory": 16 << 20, "cpus": 0, "pids": 64})
    listen(shell)
    make(shell, desired)
    hear(shell, is_state("stopped"), 20)
    did = make(shell, desired)
    assert len(did) == 1 and "out of memory" in did[0]
    assert seen(shell)["died"]["code"] == 137


def test_does_not_start(engine, shell):
    answer = attempt(shell, form(shell, image="broken:1"))
    assert answer["rc"] == -1 and answer["err"]["kind"] == "user"
    assert "/no/such/program" in answer["err"]["msg"]
    assert "/no/such/program" in seen(shell)["died"]["error"]
    assert seen(shell)["deaths"] == 1
    assert list(engine.ours()) == [f"{INSTANCE}-alice"]
    shell.remove("container:alice")


def test_image_is_missing(engine, shell):
    answer = shell.attempt("ensure", "image:none:1", {
        "ref": "none:1", "pull": "never"})
    assert answer["err"]["kind"] == "notfound"
    assert "none:1" in answer["err"]["msg"]
    answer = shell.attempt("ensure", "image:x", {
        "ref": "127.0.0.1:1/none:1", "pull": "missing"})
    assert answer["rc"] == -1 and "127.0.0.1:1" in answer["err"]["msg"]
    assert answer["err"]["kind"] == "retry"
    answer = attempt(shell, form(shell, image="none:1"))
    assert answer["err"]["kind"] == "retry" and engine.all() == {}


@pytest.mark.parametrize("limits,word", [
    ({"memory": 1 << 20}, "6 MiB"), ({"cpus": 1}, "0.01"),
    ({"cpus": 4096000}, "processors"), ({"pids": 1}, "processes")])
def test_limits_that_make_no_sense(engine, shell, limits, word):
    answer = attempt(shell, form(shell, limits=limits))
    assert answer["err"]["kind"] == "user" and word in answer["err"]["msg"]
    assert engine.all() == {}


# --- the engine goes and comes -------------------------------------------


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_service_gone_and_back(engine, shell, signo):
    """What happened meanwhile is found by the look that comes first."""
    for name in ("alice", "bob", "eve"):
        make(shell, form(shell, name=name))
    listen(shell)
    pid = engine.pid(f"{INSTANCE}-alice")
    engine.stop(signo)
    try:
        answer = attempt(shell, form(shell))
        assert answer["err"]["kind"] == "retry"
        assert str(engine.socket) in answer["err"]["msg"]
        assert "start" in answer["err"]["msg"]
        os.kill(pid, signal.SIGKILL)
        engine.podman("rm", "-f", "-t", "0", f"{INSTANCE}-bob")
    finally:
        engine.start()
    began = time.monotonic()
    hear(shell, lambda h: h is None)
    assert time.monotonic() - began < 2
    changed = shell.observe()
    assert set(changed) == {"container:alice", "container:bob"}
    assert changed["container:bob"] is None
    assert changed["container:alice"]["died"]["code"] == 137
    for name in ("alice", "bob", "eve"):
        make(shell, form(shell, name=name))
    assert len(engine.all()) == 3 and shell.observe() == {}


POINTS = ["docker.created", "docker.uploaded", "docker.started",
          "docker.removed"]


# Making a new one removes nothing.
CASES = [(c, p) for c in ("new", "replace") for p in POINTS
         if (c, p) != ("new", "docker.removed")]


@pytest.mark.parametrize("case,point", CASES)
def test_killed_at(engine, shell, point, case):
    """Whatever was left: one container, ours, and as it should be."""
    first = None
    if case == "replace":
        make(shell, form(shell))
        first = seen(shell)
    desired = form(shell, env={"A": "new"})
    dying = Shell("docker", engine.settings(), {"HICLAW_FAULT": point})
    dying.observed = dict(shell.observed)
    with pytest.raises(AssertionError, match="provider-shell ended: -9"):
        make(dying, desired)
    assert len(engine.all()) <= 1 and engine.all() == engine.ours()
    make(shell, desired)
    assert list(engine.all()) == list(engine.ours()) == [f"{INSTANCE}-alice"]
    assert seen(shell)["state"] == "running"
    assert inside(shell, "cat", f"{TOKEN_DIR}/token") == TOKEN
    assert first is None or seen(shell)["id"] != first["id"]
    assert make(shell, desired) == []


@pytest.mark.parametrize("point", POINTS[:-1])
def test_removed_after_a_kill(engine, shell, point):
    """Killed while it was made, then not wanted any more."""
    desired = form(shell)
    dying = Shell("docker", engine.settings(), {"HICLAW_FAULT": point})
    dying.observed = dict(shell.observed)
    with pytest.raises(AssertionError, match="provider-shell ended: -9"):
        make(dying, desired)
    assert shell.remove("container:alice", may_exist=True) == ["removed"]
    assert engine.all() == {}


# --- questions -----------------------------------------------------------


def test_logs(shell):
    make(shell, form(shell, image="talks:1"))
    time.sleep(0.3)
    lines = shell.query(op="logs", name="alice", tail=10)["lines"]
    assert sorted((v["stream"], v["text"]) for v in lines) == [
        ("stderr", "two"), ("stdout", "one"), ("stdout", "three")]
    assert len(shell.query(op="logs", name="alice", tail=1)["lines"]) == 1
    for bad in ({"op": "logs"}, {"op": "sing", "name": "alice"},
                {"op": "exec", "name": "alice", "command": []},
                {"op": "exec", "name": "alice", "command": "ls"},
                {"op": "exec", "name": "alice", "command": [1]}):
        with pytest.raises(Failed) as e:
            shell.query(**bad)
        assert e.value.kind == "user"
    with pytest.raises(Failed) as e:
        shell.query(op="logs", name="nobody")
    assert e.value.kind == "notfound"


def test_exec(shell):
    make(shell, form(shell))
    answer = shell.query(op="exec", name="alice", command=[
        "sh", "-c", "echo a; echo b >&2; printf '\\033[1mc\\n'; exit 7"])
    assert answer["code"] == 7 and not answer["cut"]
    assert sorted(answer["output"].split()) == ["a", "b", "c"]
    answer = shell.query(op="exec", name="alice", command=["yes"])
    assert answer["cut"] and "code" not in answer
    assert 30000 < len(answer["output"]) <= 65536
    answer = shell.query(op="exec", name="alice", command=["/none"])
    assert answer["code"] in (126, 127)


# --- many ----------------------------------------------------------------


def test_look_is_one_call(engine, shell):
    works = {f"container:w{i}": (form(shell, name=f"w{i}"),
                                 {"token": TOKEN}) for i in range(8)}
    for key, answer in shell.many("ensure", works).items():
        assert answer["rc"] == 0, (key, answer)
    assert shell.observe() == {}
    # One list of containers, networks and images each.
    assert shell.calls == 3
    engine.podman("rm", "-f", "-t", "0", f"{INSTANCE}-w3")
    os.kill(engine.pid(f"{INSTANCE}-w5"), signal.SIGKILL)
    time.sleep(0.5)
    changed = shell.observe()
    assert set(changed) == {"container:w3", "container:w5"}
    assert shell.calls == 4
    shell.many("remove", {k: None for k in works})
    assert engine.all() == {}


def test_no_engine(tmp_path):
    """It can be opened, and says what is missing."""
    with Shell("docker", {"instance": INSTANCE, "containers": {
            "provider": "docker", "url": f"unix://{tmp_path}/x.sock"}}) as sh:
        answer = sh.attempt("ensure", "network:agents", {"name": "x"})
        assert answer["err"]["kind"] == "retry"
        assert "there is no container engine" in answer["err"]["msg"]
        assert f"{tmp_path}/x.sock" in answer["err"]["msg"]
        (tmp_path / "x.sock").touch()
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(tmp_path / "y.sock"))
        os.rename(tmp_path / "y.sock", tmp_path / "x.sock")
        answer = sh.attempt("ensure", "network:agents", {"name": "x"})
        assert answer["err"]["kind"] == "retry"
        assert "has ended" in answer["err"]["msg"]
