"""./quickstart, as a person or a script uses it."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import client
import pytest
import stack as stacks
import upstream
from client import eventually, quote
from stack import ROOT

KEYS = ("HICLAW_HOME HICLAW_CONFIG HICLAW_DATABASE HICLAW_HOMESERVER_URL "
        "HICLAW_DOMAIN HICLAW_ADMIN_USER HICLAW_ADMIN_TOKEN "
        "HICLAW_ADMIN_PASSWORD HICLAW_AUTH_TOKEN HICLAW_ADMIN_ROOM "
        "HICLAW_CONTROLLER_URL "
        "HICLAW_CONTROLLER_PID HICLAW_GATEWAY_URL HICLAW_STORAGE_URL").split()


class Quickstart:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        ports = stacks.free_ports(4)
        self.env = dict(os.environ, HICLAW_HOME=str(home),
                        HICLAW_PORT_BASE=str(min(ports) - 10))
        for k in list(self.env):
            if k.startswith(("HICLAW_ADMIN", "HICLAW_SAMPLE", "HICLAW_CFG",
                             "HICLAW_LLM")):
                del self.env[k]

    def run(self, *args, ok=0, timeout=600, **env):
        out = subprocess.run(
            [str(ROOT / "quickstart"), *args], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=dict(self.env, **env),
            timeout=timeout)
        if ok is not None:
            assert out.returncode == ok, out.stdout + out.stderr
        return out

    def values(self):
        out = {}
        for line in self.run("env").stdout.splitlines():
            k, _, v = line.partition("=")
            out[k] = shlex.split(v)[0] if v else ""
        return out


def running(pid):
    """A process that has ended may stay as a zombie where nobody reaps."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    home = pathlib.Path(tempfile.mkdtemp(prefix="hiclaw-quick-")) / "home"
    q = Quickstart(home)
    # The download is not what we test: lend it the Python that has Synapse.
    venv = os.environ.get("HICLAW_VENV")
    if venv:
        home.mkdir(mode=0o700)
        (home / ".hiclaw-home").write_text("test\n")
        (home / "venv").symlink_to(venv)
    yield q
    q.run("purge", "-y", ok=None)


def test_up(quick):
    out = quick.run("up").stdout
    assert re.search(r"10/10.*sample", out)
    assert "hiclaw_admin" in out or "admin" in out
    assert "password" in out and "homeserver" in out
    assert "Team" in out or "frontend" in out
    # A person mentioned a worker in its room, and it answered there.
    assert "In the room Worker devops-dan" in out, out
    assert "hiclaw_devops-dan: I am parrot" in out, out


def test_env(quick):
    values = quick.values()
    assert list(values) == KEYS
    assert values["HICLAW_HOME"] == str(quick.home)
    assert values["HICLAW_DATABASE"].startswith(str(quick.home))
    api = client.Api(values["HICLAW_HOMESERVER_URL"],
                     values["HICLAW_ADMIN_TOKEN"])
    assert api.get("/account/whoami")["user_id"] == \
        values["HICLAW_ADMIN_USER"]
    user = values["HICLAW_ADMIN_USER"]
    assert user.endswith(":" + values["HICLAW_DOMAIN"])
    who = api.call("GET", "/_synapse/admin/v2/users/" + quote(user))
    assert who["admin"], "an administrator of its homeserver"
    assert client.login(values["HICLAW_HOMESERVER_URL"], user,
                        values["HICLAW_ADMIN_PASSWORD"])["user_id"] == user
    assert values["HICLAW_ADMIN_ROOM"] in api.get(
        "/joined_rooms")["joined_rooms"]
    assert running(values["HICLAW_CONTROLLER_PID"])
    assert urllib.request.urlopen(
        values["HICLAW_CONTROLLER_URL"] + "/healthz").status == 200
    # A shell reads the same.
    out = subprocess.run(
        ["bash", "-c", 'eval "$("$1" env)"; echo "$HICLAW_HOME"', "x",
         str(ROOT / "quickstart")], env=quick.env, capture_output=True,
        text=True)
    assert out.stdout.strip() == str(quick.home)


def invitations(quick):
    values = quick.values()
    api = client.Api(values["HICLAW_HOMESERVER_URL"],
                     values["HICLAW_ADMIN_TOKEN"])
    # Any other timeout each time: equal first syncs come from a cache.
    return api.get("/sync", timeout=time.monotonic_ns() % 10**9)[
        "rooms"].get("invite")


def test_invitations_are_accepted(quick):
    assert not invitations(quick)


def test_paste(quick, tmp_path):
    path = tmp_path / "worker.yaml"
    path.write_text("apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
                    "metadata: {name: extra}\nspec: {model: small}\n")
    quick.run("paste", str(path))
    quick.run("paste", str(path))       # nothing to do is no failure
    assert not invitations(quick)
    path.write_text("apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
                    "metadata: {name: extra}\nspec: {modle: small}\n")
    out = quick.run("paste", str(path), ok=1)
    assert "modle" in out.stdout + out.stderr
    quick.run("paste", str(tmp_path / "nothing.yaml"), ok=1)


def test_paste_large_file(quick, tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * 60000 + "\napiVersion: hiclaw.io/v1beta1\n"
                    "kind: Worker\nmetadata: {name: large}\n"
                    "spec: {model: small}\n")
    quick.run("paste", str(path))


def test_up_again_is_harmless(quick):
    before = quick.values()
    out = quick.run().stdout
    assert out.count("runs already") == 3, out
    assert quick.values() == before


def test_up_after_kill(quick):
    before = quick.values()
    os.kill(int(before["HICLAW_CONTROLLER_PID"]), signal.SIGKILL)
    time.sleep(0.3)
    quick.run("status", ok=1)
    quick.run("up")
    for part in ("homeserver", "gateway", "parrot", "engine"):
        pid = int((quick.home / f"{part}.pid").read_text())
        os.kill(pid, signal.SIGKILL)
    quick.run("up")
    after = quick.values()
    for k in ("HICLAW_ADMIN_ROOM", "HICLAW_ADMIN_TOKEN", "HICLAW_DOMAIN"):
        assert after[k] == before[k]
    out = quick.run("status").stdout
    assert out.count("running") == 5


def key_of(quick, consumer):
    """What Envoy takes from this agent; the file is for its eyes only."""
    file = quick.home / "gateway" / "keys.json"
    assert file.stat().st_mode & 0o077 == 0
    for c in json.loads(file.read_text())["resources"][0]["typed_config"][
            "credentials"]:
        if c["client"] == consumer:
            return c["key"]
    raise AssertionError(f"no key of {consumer}")


def ask(quick, key=None, path="/v1/chat/completions"):
    """Status and answer of one question through the gateway."""
    request = urllib.request.Request(
        quick.values()["HICLAW_GATEWAY_URL"] + path,
        data=json.dumps({"model": "m", "messages": [
            {"role": "user", "content": "are you there"}]}).encode(),
        headers={"Content-Type": "application/json",
                 **({"Authorization": f"Bearer {key}"} if key else {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            return r.status, json.load(r)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as e:
        return e.code, ""


def test_gateway(quick):
    alice = key_of(quick, "worker-alice")
    status, text = ask(quick, alice)
    assert status == 200 and "parrot" in text
    assert text.endswith("You said: are you there")
    assert ask(quick)[0] == 401
    assert ask(quick, "f" * 64)[0] == 401
    assert ask(quick, alice, "/_synapse/admin/v1/server_version")[0] == 404


def asked(home, *more):
    return subprocess.run(
        [sys.executable, str(ROOT / "contrib" / "stack" / "gateway.py"),
         "asked", "--home", str(home), *more], capture_output=True, text=True,
        check=True).stdout


def test_each_model_is_asked_once(tmp_path):
    """A real one may cost."""
    assert asked(tmp_path) == "parrot\n"
    assert asked(tmp_path) == "parrot\n", "nobody answered yet"
    asked(tmp_path, "--done")
    assert asked(tmp_path) == ""
    (tmp_path / "llm.json").write_text('{"HICLAW_LLM_MODEL": "large"}')
    assert asked(tmp_path) == "large\n"


def test_command_line(quick):
    """hiclaw and the environment that the stack prints are all it takes."""
    env = dict(quick.env, **quick.values())
    hiclaw = quick.home / "program" / "bin" / "hiclaw"
    out = subprocess.run([hiclaw, "get", "workers"], env=env,
                         capture_output=True, text=True, check=True).stdout
    for name in ("devops-dan", "frontend-lead", "alice", "bob"):
        assert re.search(rf"^{name} +(Running|Ready) ", out, re.M), out


def commands_of(quick):
    """The command lines of all that runs for this stack."""
    out = ""
    for d in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (d / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(quick.home) in words:
            out += words + "\n"
    return out


def test_model_of_ones_own(quick):
    secret = "sk-" + os.urandom(16).hex()
    alice = key_of(quick, "worker-alice")
    up = upstream.Upstream()
    llm = {"HICLAW_LLM_API_KEY": secret, "HICLAW_LLM_MODEL": "m-large",
           "HICLAW_LLM_BASE_URL": up.url + "/some/v1"}
    try:
        out = quick.run("up", ok=1, **{**llm, "HICLAW_LLM_MODEL": ""})
        assert "HICLAW_LLM_MODEL" in out.stderr
        out = quick.run("up", **llm)
        assert secret not in out.stdout + out.stderr
        eventually(lambda: ask(quick, alice) == (200, "ok"), 30, 0.2,
                   "an answer of the other model")
        seen = up.seen[-1]
        assert seen["path"] == "/some/v1/chat/completions"
        assert seen["headers"]["authorization"] == f"Bearer {secret}"
        assert alice not in json.dumps(seen["headers"])
        assert not (quick.home / "parrot.pid").exists()
        assert "parrot.py" not in commands_of(quick)
        assert secret not in commands_of(quick)
        for path in quick.home.rglob("*"):
            if path.is_symlink() or not path.is_file() or \
                    {quick.home / "venv", quick.home / "engine"} & \
                    set(path.parents):
                continue
            if secret.encode() in path.read_bytes():
                assert path.stat().st_mode & 0o077 == 0, path
                assert path.suffix != ".log", path
        assert "m-large" in (quick.home / "controller.yaml").read_text()
        quick.run("up")                            # kept for later starts
        assert eventually(lambda: ask(quick, alice)[1], 30) == "ok"
    finally:
        quick.run("up", HICLAW_LLM_BASE_URL="parrot")
        up.stop()
    eventually(lambda: "parrot" in ask(quick, alice)[1], 30, 0.2,
               "the parrot's answer")


def test_sample_follows_the_model(tmp_path):
    (tmp_path / "llm.json").write_text(json.dumps(
        {"HICLAW_LLM_MODEL": 'odd: "name"'}))
    sample = ROOT / "contrib" / "samples" / "frontend-team.yaml"

    def shown(home):
        return subprocess.run(
            [sys.executable, str(ROOT / "contrib" / "stack" / "gateway.py"),
             "sample", "--home", str(home), str(sample)],
            capture_output=True, text=True, check=True).stdout
    changed = shown(tmp_path)
    assert "qwen" not in changed
    assert changed.count('model: "odd: \\"name\\""') == \
        sample.read_text().count("model: ")
    (tmp_path / "llm.json").unlink()
    assert shown(tmp_path) == sample.read_text()


def test_down_and_up(quick):
    before = quick.values()
    quick.run("down")
    assert not running(before["HICLAW_CONTROLLER_PID"])
    quick.run("down")
    quick.run("status", ok=1)
    quick.run("up")
    assert quick.values()["HICLAW_ADMIN_ROOM"] == before["HICLAW_ADMIN_ROOM"]


def test_taken_port_is_named(quick, tmp_path):
    busy = quick.values()["HICLAW_HOMESERVER_URL"].rsplit(":", 1)[1]
    home = tmp_path / "other"
    home.mkdir()
    (home / ".hiclaw-home").write_text("test\n")
    if os.environ.get("HICLAW_VENV"):
        (home / "venv").symlink_to(os.environ["HICLAW_VENV"])
    # The build is the same; do not do it again.
    for part in ("build", "program"):
        (home / part).symlink_to(quick.home / part)
    out = quick.run("up", ok=1, HICLAW_HOME=str(home), HICLAW_SAMPLE="none")
    assert busy in out.stderr and "HICLAW_PORT_BASE" in out.stderr


def test_foreign_directory_is_left_alone(quick, tmp_path):
    (tmp_path / "precious").write_text("mine")
    out = quick.run("up", ok=1, HICLAW_HOME=str(tmp_path))
    assert "not empty" in out.stderr
    quick.run("purge", "-y", ok=1, HICLAW_HOME=str(tmp_path))
    assert (tmp_path / "precious").exists()


def test_usage(quick):
    assert quick.run("frobnicate", ok=64).stderr.startswith("usage")
    assert "paste FILE" in quick.run("--help").stdout


def test_purge(quick):
    pid = quick.values()["HICLAW_CONTROLLER_PID"]
    quick.run("purge", ok=1)            # nobody there to say yes
    assert quick.home.exists()
    quick.run("purge", "-y")
    assert not quick.home.exists()
    assert not running(pid)
    quick.run("purge", "-y")
