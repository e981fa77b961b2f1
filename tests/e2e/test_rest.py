"""REST on a real homeserver: what it does is the same as what chat does."""
import json
import re
import signal
import time

import pytest
import stack as stacks
from client import eventually
from rest import Rest, TOKEN

from conftest import running_stack

API = "/api/v1"


@pytest.fixture(scope="module")
def stack(template):
    yield from running_stack(template, {"api": {"admin_token": TOKEN}})


@pytest.fixture
def rest(stack):
    return Rest(stack.controller.url)


def ready(rest, path, phases=("Ready", "Active"), seconds=60):
    return eventually(lambda: (lambda o: o if o["phase"] in phases else None)(
        rest.get(path)), seconds, what=f"{path} in {phases}")


def receipts(stack):
    """What the bot said in the admin room."""
    return [e["content"].get("body", "")
            for e in stack.admin.history(stack.room)
            if e["type"] == "m.room.message"]


def test_system(stack, rest):
    assert rest.raw("GET", "/healthz", token="")[2] == b"ok\n"
    assert rest.raw("GET", "/readyz", token="")[0] == 200
    status, headers, raw = rest.raw("GET", "/metrics", token="")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    assert b"hiclaw_up 1" in raw
    version = rest.get("/version")
    assert version["kubeMode"] == "embedded"
    assert version["instance"] == stack.instance
    assert rest.get("/status")["totalWorkers"] == 0


def test_tokens(rest):
    status, headers, raw = rest.raw("GET", API + "/status", token="")
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert "message" in json.loads(raw)
    assert rest.ask("GET", "/status", token="wrong")[0] == 401
    # Other ways of saying it than the one.
    for header in ("bearer", "Basic", ""):
        assert rest.raw("GET", API + "/status", token="", headers={
            "Authorization": f"{header} wrong"}.items())[0] == 401


def test_worker_is_born_changes_and_goes(stack, rest):
    status, o = rest.ask("POST", "/workers", {
        "name": "alice", "model": "m", "soul": "You build pages.",
        "env": {"TZ": "UTC"}})
    assert status == 201, o
    assert o["name"] == "alice" and o["state"] == "Running"
    o = ready(rest, "/workers/alice")
    assert o["matrixUserID"] == f"@hiclaw_alice:{stacks.DOMAIN}"
    assert o["matrixUserID"] in stack.eyes.room(o["roomID"]).inside
    status, o = rest.ask("PUT", "/workers/alice", {"model": "m2"})
    assert status == 200 and o["model"] == "m2"
    spec = rest.get("/workers/alice?spec=1")["spec"]
    assert spec["soul"] == "You build pages." and spec["env"] == {"TZ": "UTC"}
    # The same is said in chat.
    assert "m2" in stack.ask("@hiclaw get worker alice -o yaml").body
    status, o = rest.ask("POST", "/workers/alice/sleep")
    assert (status, o) == (200, {"name": "alice", "phase": "Sleeping"})
    assert "Sleeping" in stack.ask("@hiclaw get worker alice -o yaml").body
    status, _, raw = rest.raw("DELETE", API + "/workers/alice")
    assert (status, raw) == (204, b"")
    eventually(lambda: rest.ask("GET", "/workers/alice")[0] == 404, 60,
               what="alice gone")


def test_reported_in_the_admin_room(stack, rest):
    rest.ask("POST", "/humans", {"name": "rita", "displayName": "Rita",
                                 "permissionLevel": 3})
    ready(rest, "/humans/rita")
    eventually(lambda: any("apply Human/rita (REST)" in t and "done" in
                           t.lower() for t in receipts(stack)), 30,
               what="a receipt of REST")
    o = rest.get("/humans/rita")
    assert "initialPassword" not in o
    status, o = rest.ask("PUT", "/humans/rita", {"note": "new"})
    assert status == 200 and o["note"] == "new"


def test_team_members_are_agents_like_others(stack, rest):
    status, o = rest.ask("POST", "/teams", {
        "name": "shop", "leader": {"name": "lena", "model": "m"},
        "workers": [{"name": "bob", "model": "m", "soul": "quiet"},
                    {"name": "cleo"}]})
    assert status == 201, o
    o = ready(rest, "/teams/shop")
    assert o["workerNames"] == ["bob", "cleo"] and o["totalWorkers"] == 2
    names = [w["name"] for w in rest.get("/workers?team=shop")["workers"]]
    assert names == ["lena", "bob", "cleo"]
    assert rest.get("/workers/bob/status")["role"] == "worker"
    status, o = rest.ask("POST", "/workers/bob/sleep")
    assert status == 200, o
    spec = rest.get("/teams/shop?spec=1")["spec"]
    assert [w.get("state") for w in spec["workers"]] == ["Sleeping", None]
    status, o = rest.ask("PUT", "/workers/bob", {"model": "x"})
    assert status == 409 and "Team/shop" in o["message"]
    assert rest.ask("DELETE", "/workers/bob")[0] == 409
    # What PUT does not say of a member stays.
    status, o = rest.ask("PUT", "/teams/shop", {
        "workers": [{"name": "bob", "model": "m2"}]})
    assert status == 200, o
    assert rest.get("/teams/shop?spec=1")["spec"]["workers"] == [
        {"name": "bob", "model": "m2", "soul": "quiet", "state": "Sleeping"}]


def test_wrong_bodies_are_named(rest):
    status, o = rest.ask("POST", "/workers", {"name": "x", "modle": "m"})
    assert status == 422
    assert {"path": "modle", "text": 'unknown field; did you mean "model"?'} \
        in o["problems"]
    assert rest.ask("POST", "/workers", b"{")[0] == 400
    assert rest.ask("POST", "/workers", b" " * (1024 * 1024 + 1))[0] == 413
    status, headers, raw = rest.raw("PATCH", API + "/workers/x")
    assert status == 405 and "GET" in headers["Allow"]
    assert rest.ask("GET", "/workers/%ff%fe")[0] == 404
    assert rest.ask("GET", "/workers/a%2Fb")[0] == 404


def test_all_or_nothing(rest):
    docs = [{"apiVersion": "hiclaw.io/v1beta1", "kind": "Worker",
             "metadata": {"name": n}, "spec": {"model": "m"}}
            for n in ("dora", "emil")]
    status, o = rest.ask("POST", "/plan", {"docs": docs})
    assert status == 200 and o["risk"] == "create"
    assert rest.ask("GET", "/workers/dora")[0] == 404
    status, o = rest.ask("POST", "/apply", {"docs": docs + [
        {**docs[0], "metadata": {"name": "fred"}, "spec": {}}]})
    assert status == 422
    assert rest.ask("GET", "/workers/dora")[0] == 404
    status, o = rest.ask("POST", "/apply", {"docs": docs})
    assert status == 200 and o["run"] > 0
    ready(rest, "/workers/dora")
    ready(rest, "/workers/emil")


def test_answered_is_durable(stack, rest):
    """Killed right after the answer: what it said is so."""
    for i in range(5):
        status, _ = rest.ask("POST", "/workers",
                             {"name": f"kill{i}", "model": "m"})
        stack.controller.process.send_signal(signal.SIGKILL)
        stack.controller.process.wait(10)
        assert status == 201
        stack.controller.start()
        assert rest.ask("GET", f"/workers/kill{i}")[0] == 200
    docs = re.findall(r"kill\d", json.dumps(rest.get("/workers")))
    assert set(docs) == {f"kill{i}" for i in range(5)}


def test_not_ready_without_the_homeserver(stack, rest):
    stack.hs.freeze()
    try:
        # Something to do makes it notice.
        rest.ask("POST", "/workers", {"name": "late", "model": "m"})
        eventually(lambda: rest.raw("GET", "/readyz", token="")[0] == 503,
                   90, what="503")
        status, _, raw = rest.raw("GET", "/readyz", token="")
        assert "homeserver" in json.loads(raw)["message"]
        assert rest.raw("GET", "/healthz", token="")[0] == 200
    finally:
        stack.hs.thaw()
    eventually(lambda: rest.raw("GET", "/readyz", token="")[0] == 200, 60,
               what="200 again")


def test_many_at_once(rest):
    """Twenty callers, and each answer is that of its own question."""
    import concurrent.futures

    def one(i):
        name = f"nobody{i}"
        status, o = rest.ask("GET", f"/workers/{name}")
        return status == 404 and name in o["message"]

    start = time.time()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(400)))
    assert time.time() - start < 30
