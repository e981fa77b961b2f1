"""REST and the hiclaw command with agents that live in containers of a real
Podman, and what an agent may with the token that it finds there."""
import time

import fleet as fleets
import pytest
import rest as rests
from client import eventually
from fleet import document

TOKEN = "admin-token-of-the-tests"
TEAM = "\n---\n".join((
    document("Team", "crew", {
        "leader": {"name": "lead", "model": "parrot"},
        "workers": [{"name": "alice", "model": "parrot"}]}),
    document("Worker", "dan", {"model": "parrot"})))


@pytest.fixture(scope="module")
def fleet(template):
    f = fleets.Fleet(template)
    try:
        # The command waits until each agent has reported.
        code, out, err = rests.cli("apply", "-f", "-", stdin=TEAM,
                                   token=TOKEN, url=f.stack.controller.url)
        assert code == 0, out + err
        f.began = time.time()
        yield f
        code = f.stack.controller.stop()
        errors = f.stack.controller.errors()
        assert not errors, "\n".join(errors)
        assert code in (0, None)
    finally:
        f.stop()


@pytest.fixture
def hiclaw(fleet):
    return lambda *args: rests.cli(*args, token=TOKEN,
                                   url=fleet.stack.controller.url)


@pytest.fixture
def rest(fleet):
    return rests.Rest(fleet.stack.controller.url, TOKEN)


def phase(rest, name):
    return rest.get(f"/workers/{name}/status")["phase"]


def await_phase(rest, name, want, seconds=30):
    eventually(lambda: phase(rest, name) == want, seconds, 0.2,
               f"{name} {want}")


def token_of(fleet, name):
    """What stands in the agent's file: nano cannot print it, we can look."""
    root = f"/proc/{fleet.pid(name)}/root"
    with open(root + "/var/run/secrets/hiclaw/token") as f:
        return f.read().strip()


def test_ready_is_a_fact(fleet, rest):
    for name in ("lead", "alice", "dan"):
        o = rest.get(f"/workers/{name}")
        assert o["phase"] == "Running", o
        assert o["containerState"] == "ready", o
        assert o["lastHeartbeat"] and "message" not in o, o
        assert phase(rest, name) == "Ready"
    team = rest.get("/teams/crew")
    assert team["phase"] == "Active" and team["leaderReady"], team
    assert team["readyWorkers"] == team["totalWorkers"] == 1


def test_an_agent_may_what_its_role_says(fleet, rest):
    as_dan = rests.Rest(rest.url, token_of(fleet, "dan"))
    as_lead = rests.Rest(rest.url, token_of(fleet, "lead"))
    as_alice = rests.Rest(rest.url, token_of(fleet, "alice"))
    for who, method, path, want in (
            (as_dan, "GET", "/workers/dan", 200),
            (as_dan, "POST", "/workers/dan/ready", 204),
            (as_dan, "GET", "/workers/alice", 403),
            (as_dan, "GET", "/workers", 403),
            (as_dan, "POST", "/workers/dan/sleep", 403),
            (as_dan, "DELETE", "/workers/dan", 403),
            (as_lead, "GET", "/workers/alice", 200),
            (as_lead, "GET", "/workers/dan", 403),
            (as_lead, "GET", "/teams/crew", 200),
            (as_lead, "POST", "/workers/dan/sleep", 403),
            (as_lead, "POST", "/workers/alice/ensure-ready", 200),
            (as_alice, "POST", "/workers/lead/ready", 403),
            (as_alice, "GET", "/workers/alice/status", 200)):
        status, o = who.ask(method, path)
        assert status == want, (method, path, status, o)
    names = [w["name"] for w in as_lead.get("/workers")["workers"]]
    assert names == ["lead", "alice"]


def test_sleep_and_wake(fleet, rest, hiclaw):
    lead = rests.Rest(rest.url, token_of(fleet, "lead"))
    assert lead.ask("POST", "/workers/alice/sleep")[0] == 200
    await_phase(rest, "alice", "Sleeping")
    eventually(lambda: not fleet.running("alice"), 30, what="alice asleep")
    assert rest.get("/teams/crew")["phase"] == "Active"
    code, out, err = hiclaw("ensure-ready", "alice", "--wait")
    assert code == 0, err
    assert phase(rest, "alice") == "Ready" and fleet.running("alice")


def test_restart_and_logs(fleet, rest, hiclaw):
    before = fleet.life("dan")
    code, out, err = hiclaw("restart", "dan")
    assert code == 0, err
    eventually(lambda: fleet.life("dan") not in (before, (None, None))
               and fleet.running("dan"), 60, 0.2, "dan anew")
    assert fleet.life("dan")[0] == before[0], "the same container"
    await_phase(rest, "dan", "Ready")
    code, out, err = hiclaw("logs", "dan", "--tail", "5")
    assert code == 0 and 1 <= len(out.splitlines()) <= 5, (out, err)
    assert token_of(fleet, "dan") not in out


def test_a_deleted_agent_is_nobody(fleet, rest, hiclaw):
    token = token_of(fleet, "dan")
    assert rests.Rest(rest.url, token).ask("GET", "/status")[0] == 200
    code, out, err = hiclaw("delete", "worker", "dan")
    assert code == 0, err
    # At once, not when the container is gone.
    assert rests.Rest(rest.url, token).ask("GET", "/status")[0] == 401
    eventually(lambda: rest.ask("GET", "/workers/dan")[0] == 404, 60,
               what="dan gone")
