"""The hiclaw command against a real controller."""
import json
import os
import pty
import subprocess

import pytest
from client import eventually
from rest import Rest, TOKEN, cli, cli_path

from conftest import running_stack

TEAM = """\
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: shop}
spec:
  leader: {name: lena, model: m}
  workers:
  - {name: bob, model: m, soul: "one\\n---\\ntwo"}
---
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: rita}
spec: {displayName: "Rita R\u00fcssel", permissionLevel: 3}
"""


@pytest.fixture(scope="module")
def stack(template):
    yield from running_stack(template, {"api": {"admin_token": TOKEN}})


@pytest.fixture
def hiclaw(stack):
    return lambda *args, **more: cli(*args, url=stack.controller.url, **more)


def test_help_and_usage(hiclaw):
    code, out, _ = hiclaw("--help")
    verbs = [x.split("  ")[1].strip() for x in out.splitlines()
             if x.startswith("  ")]
    assert "apply" in verbs and "worker report-ready" in verbs
    for v in verbs:
        code, out, _ = hiclaw(*v.split(), "--help")
        assert code == 0 and "Examples" in out and out.startswith("Usage")
    for args, part in ((("gte",), 'did you mean "get"'),
                       (("get",), "missing"),
                       (("get", "workrs"), "did you mean"),
                       (("get", "workers", "-o", "jsn"), "did you mean json"),
                       (("worker", "wake"), "which agent"),
                       (("worker", "sleeep", "--name", "x"), "did you mean"),
                       (("apply",), "-f FILE"),
                       (("apply", "--dryrun"), "--dry-run"),
                       (("version", "-f", "x"), "no option of version"),
                       (("apply", "-f", "x", "--prune"), "-l")):
        code, _, err = hiclaw(*args)
        assert code == 2 and part in err, (args, code, err)


def test_version_and_status(hiclaw):
    code, out, _ = hiclaw("version")
    assert code == 0 and "Controller:" in out and "embedded" in out
    code, out, _ = hiclaw("version", "-o", "json")
    assert json.loads(out)["kubeMode"] == "embedded"
    code, out, _ = hiclaw("status")
    assert code == 0 and "Total Workers:" in out


def test_nothing_there(hiclaw):
    assert hiclaw("get", "workers")[1] == "No workers found.\n"
    code, out, err = hiclaw("get", "worker", "alice")
    assert (code, out) == (1, "") and "there is no Worker/alice" in err
    code, _, err = hiclaw("delete", "worker", "alice")
    assert code == 1


def test_who_are_you(hiclaw, tmp_path):
    code, _, err = hiclaw("status", token="")
    assert code == 1 and "HICLAW_AUTH_TOKEN" in err
    code, _, err = hiclaw("status", token="wrong")
    assert code == 1 and "not known" in err
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    code, _, _ = hiclaw("status", token="",
                        env={"HICLAW_AUTH_TOKEN_FILE": str(path)})
    assert code == 0
    code, _, err = cli("status", url="http://127.0.0.1:1")
    assert code == 1 and "does not answer" in err \
        and "HICLAW_CONTROLLER_URL" in err


def test_apply(hiclaw, tmp_path):
    path = tmp_path / "team.yaml"
    path.write_text(TEAM)
    code, out, err = hiclaw("apply", "-f", str(path), "--dry-run")
    assert code == 0 and "team/shop created (dry run)" in out
    assert hiclaw("get", "teams")[1] == "No teams found.\n"
    code, out, err = hiclaw("apply", "-f", str(path))
    assert code == 0, err
    assert "  team/shop created\n" in out and "  human/rita created\n" in out
    # It waited.
    assert "Active" in hiclaw("get", "team", "shop")[1]
    code, out, err = hiclaw("apply", "-f", "-", stdin=TEAM)
    assert code == 0 and "team/shop unchanged" in out
    code, out, err = hiclaw("apply", "-f", "-", "--no-wait",
                            stdin=TEAM.replace("name: bob, model: m",
                                               "name: bob, model: m2"))
    assert code == 0 and "team/shop configured" in out


def test_wrong_manifests_show_the_place(hiclaw):
    code, out, err = hiclaw("apply", "-f", "-", stdin=TEAM.replace(
        "workers:", "workrs:"))
    assert code == 1 and out == ""
    assert "line 6" in err and "^" in err and 'mean "workers"' in err
    # What only the controller can know.
    code, _, err = hiclaw("apply", "-f", "-", stdin=TEAM.replace(
        "name: shop", "name: other"))
    assert code == 1 and "bob" in err
    code, _, err = hiclaw("apply", "-f", "/nowhere")
    assert code == 1 and "/nowhere" in err


def test_get(stack, hiclaw):
    code, out, _ = hiclaw("get", "workers")
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "PHASE", "MODEL", "TEAM", "RUNTIME"]
    assert [x.split()[0] for x in lines[1:]] == ["lena", "bob"]
    assert "\033" not in out
    assert "MATRIX-ID" in hiclaw("get", "workers", "-o", "wide")[1]
    assert hiclaw("get", "workers", "--team", "no pe")[1] == \
        "No workers found.\n"
    assert hiclaw("get", "wk", "-o", "name")[1] == \
        "worker/lena\nworker/bob\n"
    o = json.loads(hiclaw("get", "workers", "-o", "json")[1])
    assert o["total"] == 2
    assert json.loads(hiclaw("get", "worker/bob", "-ojson")[1])["team"] == \
        "shop"
    code, out, _ = hiclaw("get", "humans")
    assert "Rita R\u00fcssel" in out
    code, out, _ = hiclaw("get", "worker", "bob")
    assert out.splitlines()[0].split() == ["Name:", "bob"]
    code, out, _ = hiclaw("get", "all")
    assert code == 0 and "No managers found." in out
    code, out, _ = hiclaw("describe", "team", "shop")
    assert "Leader:" in out and "Declared:" in out


def test_yaml_comes_back(hiclaw):
    """What is printed can be applied, and changes nothing."""
    code, out, _ = hiclaw("get", "team", "shop", "-o", "yaml")
    assert code == 0
    code, out, err = hiclaw("apply", "-f", "-", stdin=out)
    assert code == 0, err
    assert "team/shop unchanged" in out


def test_agents(stack, hiclaw):
    rest = Rest(stack.controller.url)
    assert hiclaw("sleep", "bob")[1] == "worker/bob phase=Sleeping\n"
    assert hiclaw("worker", "wake", "--name", "bob", "--team", "shop")[1] == \
        "worker/bob phase=Running\n"
    assert rest.get("/workers/bob")["state"] == "Running"
    code, out, _ = hiclaw("worker", "status", "--team", "shop")
    assert out.splitlines()[0].split() == ["NAME", "PHASE", "STATE", "MODEL",
                                           "RUNTIME"]
    assert hiclaw("worker", "status", "--name", "bob")[0] == 0
    assert hiclaw("worker", "report-ready", "--name", "bob")[0] == 0
    assert hiclaw("worker", "report-ready", "--heartbeat=false", token=TOKEN,
                  env={"HICLAW_WORKER_NAME": "bob"})[0] == 0
    code, _, err = hiclaw("logs", "bob")
    assert code == 1 and err
    code, _, err = hiclaw("wake", "bbo")
    assert code == 1 and "did you mean bob" in err


def on_terminal(stack, args, answer):
    """Output of the command with a terminal at both ends; exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(HICLAW_CONTROLLER_URL=stack.controller.url,
                          HICLAW_AUTH_TOKEN=TOKEN, TERM="xterm")
        os.environ.pop("NO_COLOR", None)
        os.execv(cli_path(), ["hiclaw", *args])
    if answer:
        os.write(fd, answer)
    out = b""
    while True:
        try:
            more = os.read(fd, 4096)
        except OSError:
            break
        if not more:
            break
        out += more
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode()


def test_terminal(stack, hiclaw):
    code, out = on_terminal(stack, ["get", "workers"], b"")
    assert code == 0 and "\033[1mNAME" in out
    # Asked, and answered no: exit status 2 and nothing happens.
    code, out = on_terminal(stack, ["delete", "human", "rita"], b"n\n")
    assert code == 2 and "[y/N]" in out and "Nothing was deleted" in out
    assert hiclaw("get", "human", "rita")[0] == 0
    code, out = on_terminal(stack, ["delete", "human", "rita"], b"y\n")
    assert code == 0 and "human/rita deleted" in out
    plain = subprocess.run([cli_path(), "get", "workers"], text=True,
                           capture_output=True, env=dict(
                               os.environ, HICLAW_AUTH_TOKEN=TOKEN,
                               HICLAW_CONTROLLER_URL=stack.controller.url))
    assert "\033" not in plain.stdout


def test_delete(stack, hiclaw):
    code, out, _ = hiclaw("delete", "team", "shop")
    assert (code, out) == (0, "team/shop deleted\n")
    eventually(lambda: hiclaw("get", "team", "shop")[0] == 1, 60,
               what="the team gone")
    code, _, err = hiclaw("delete", "team", "shop")
    assert code == 1 and "there is no Team/shop" in err


def test_timeout(stack, hiclaw):
    """The homeserver hangs: waiting ends, says for what, and is a failure."""
    stack.hs.freeze()
    try:
        code, out, err = hiclaw("apply", "-f", "-", "--timeout", "2s", stdin=(
            "apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
            "metadata: {name: slow}\nspec: {model: m}\n"))
    finally:
        stack.hs.thaw()
    assert code == 1 and "worker/slow created" in out
    assert "not ready after 2 s" in err and "worker/slow" in err
