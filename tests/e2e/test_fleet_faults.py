"""Bad days of agents in containers, on a real Podman: each is noticed within two
seconds of the engine's word, named as far as the engine knows, and repaired or
reported; and a controller that is killed anywhere leaves no second container."""
import os
import signal
import subprocess
import time

import fleet as fleets
import podman as podmen
import pytest
import stack as stacks
from client import eventually
from fleet import document, mention, user_id

NOTICED_S = 2
FAULTS = [x for x in subprocess.run(
    [stacks.controller_path(), "--list-faults"], capture_output=True,
    text=True, check=True).stdout.split() if x.startswith("docker.")]


@pytest.fixture(scope="module")
def fleet(template):
    # A registry that does not answer may do so later: only the run's time ends.
    f = fleets.Fleet(template, {"engine": {"run_limit": 40}})
    try:
        f.engine.image("faults/crash:1", "echo three words here; exit 3")
        f.engine.image("faults/eat:1",
                       "x=a; while :; do x=$x$x; done", User="0")
        assert f.apply(document("Worker", "dan", {"model": "parrot"})) \
            .state == "done"
        yield f
        errors = f.stack.controller.errors()
        assert not errors, "\n".join(errors)
    finally:
        f.stop()


def news(fleet, *words, since=0, timeout=20):
    """A line of the bot in the admin room with all these words."""
    def found():
        fleet.stack.admin.sync(200)
        return next((c["body"] for e, c, _ in
                     fleet.stack.admin.from_bot(fleet.stack.room)
                     if e["origin_server_ts"] / 1000 >= since
                     and all(w in c["body"] for w in words)), None)
    return eventually(found, timeout, 0.1, f"news with {words}")


def seconds_until(test, timeout=30):
    start = time.monotonic()
    eventually(test, timeout, 0.02, "it is put right")
    return time.monotonic() - start


def test_killed_process(fleet):
    before, since = fleet.life("dan"), time.time()
    os.kill(fleet.pid("dan"), signal.SIGKILL)
    seconds_until(lambda: fleet.running("dan")
                  and fleet.life("dan")[1] != before[1])
    assert fleet.life("dan")[0] == before[0], "started again, not made anew"
    news(fleet, "dan", "137", since=since)
    eventually(lambda: fleet.phase("workers", "dan") in ("Ready", "Running"),
               30, what="it reports again")


def test_removed_container(fleet):
    before, since = fleet.life("dan"), time.time()
    fleet.engine.podman("rm", "-f", "-t", "0", fleet.name("dan"))
    seconds_until(lambda: fleet.running("dan"))
    assert fleet.life("dan")[0] not in (None, before[0])
    news(fleet, "dan", since=since)


def test_out_of_memory(fleet):
    """Podman does not tell on cgroup v1; then we say what we know."""
    event = fleet.stack.admin.paste(fleet.stack.room, document(
        "Worker", "glutton", {"model": "parrot", "image": "faults/eat:1",
                              "resources": {"memory": "16Mi"}}))
    assert event
    news(fleet, "glutton", "memory", timeout=60)
    said = fleet.ask("@hiclaw describe worker glutton")
    assert "memory" in said.body and "137" in said.body
    fleet.ask("@hiclaw delete worker glutton")
    fleet.ask("yes", 120)
    eventually(lambda: fleet.inspect("glutton") is None, 60)


def test_missing_image(fleet):
    admin, room = fleet.stack.admin, fleet.stack.room
    event = admin.paste(room, document("Worker", "lost", {
        "model": "parrot", "image": "localhost/no/such:1"}))

    def told():
        """The live message says what is wrong while it goes on."""
        admin.sync(200)
        return any("no/such" in line and "pull" in line
                   for _, c, _ in admin.forms(room, event)
                   for line in c["body"].splitlines())
    eventually(told, 20, 0.2, "what is wrong")
    reply = admin.answer(room, event, 120)
    assert reply.state == "failed" and "no/such" in reply.body
    said = fleet.ask("@hiclaw describe worker lost")
    assert "no/such" in said.body
    # The next word puts it right.
    assert fleet.apply(document("Worker", "lost", {"model": "parrot"})) \
        .state == "done"
    assert fleet.running("lost")


def test_crash_loop(fleet):
    since = time.time()
    fleet.stack.admin.paste(fleet.stack.room, document(
        "Worker", "crasher", {"model": "parrot", "image": "faults/crash:1"}))
    first = news(fleet, "crasher", "3", since=since, timeout=60)
    assert first
    eventually(lambda: "three words here" in fleet.ask(
        "@hiclaw describe worker crasher").body, 60, 2, "its last words")
    # It waits longer and longer, and few words are made of it.
    time.sleep(20)
    fleet.stack.admin.sync(200)
    lines = [c["body"] for e, c, edit in
             fleet.stack.admin.from_bot(fleet.stack.room)
             if "crasher" in c["body"] and not edit
             and e["origin_server_ts"] / 1000 >= since
             and "io.hiclaw.reply" not in c]
    assert len(lines) <= 6, lines
    starts = fleet.engine.podman("events", "--stream=false", "--filter",
                                 "event=start", "--filter",
                                 f"container={fleet.name('crasher')}")
    assert len(starts.splitlines()) < 15, "it is not held back"
    assert fleet.phase("workers", "crasher") not in ("Ready", "Running")
    fleet.ask("@hiclaw delete worker crasher")
    fleet.ask("yes", 120)


def test_engine_away(fleet):
    """Down for a while: told once; what happened meanwhile is put right when it
    is back."""
    since, pid = time.time(), fleet.pid("dan")
    fleet.engine.stop()
    news(fleet, "docker", since=since, timeout=40)
    os.kill(pid, signal.SIGKILL)
    time.sleep(float(os.environ.get("DOWN_SECONDS", "10")))
    fleet.engine.start()
    back = time.monotonic()
    eventually(lambda: fleet.running("dan") and fleet.pid("dan") != pid, 60,
               0.05, "dan runs again")
    assert time.monotonic() - back < 30
    news(fleet, "docker", "again", since=since, timeout=40)


def test_foreign_container(fleet):
    """Somebody's container of our agent's name is theirs."""
    name = fleet.name("taken")
    fleet.engine.podman("create", "--name", name, "faults/crash:1")
    theirs = fleet.engine.inspect(name)["Id"]
    reply = fleet.stack.admin.answer(
        fleet.stack.room, fleet.stack.admin.paste(
            fleet.stack.room, document("Worker", "taken",
                                       {"model": "parrot"})), 120)
    assert reply.state == "failed" and name in reply.body
    assert fleet.engine.inspect(name)["Id"] == theirs
    fleet.engine.podman("rm", name)
    eventually(lambda: fleet.apply(document(
        "Worker", "taken", {"model": "parrot"})).state in ("done", "info"),
        60, 1)


@pytest.mark.parametrize("point", FAULTS)
def test_killed_at_each_step(fleet, point):
    """The controller dies there; the next one finishes."""
    name = "k" + point.partition(".")[2].replace("_", "-").replace(".", "-")
    spec = {"model": "parrot"}
    if "remove" in point:
        assert fleet.apply(document("Worker", name, spec)).state == "done"
    c = fleet.stack.controller
    c.stop()
    c.start({"HICLAW_FAULT": f"{point}:1"})
    if "remove" in point:
        fleet.ask(f"@hiclaw delete worker {name}")
        fleet.stack.admin.send(fleet.stack.room, "yes")
    else:
        fleet.stack.admin.paste(fleet.stack.room,
                                document("Worker", name, spec))
    assert c.wait_end(60) != 0, f"{point} was not reached"
    c.start()
    if "remove" in point:
        eventually(lambda: fleet.inspect(name) is None, 60)
    else:
        eventually(lambda: fleet.phase("workers", name) in
                   ("Ready", "Running"), 60, what=f"{name} after {point}")
    names = [x for x in fleet.engine.all() if x.endswith("-" + name)]
    assert len(names) == (0 if "remove" in point else 1)
    assert all(podmen.LABEL in x["Labels"] for n, x in
               fleet.engine.all().items() if n.endswith("-" + name))


def test_asleep_and_woken_by_a_mention(fleet):
    admin = fleet.stack.admin
    room = fleet.enter(admin, "hiclaw_worker_dan")
    assert fleet.ask("@hiclaw sleep dan", 60).state == "done"
    assert not fleet.running("dan") and fleet.inspect("dan")
    event = fleet.say(admin, room, mention(user_id("dan"), "wake up please"))
    content = fleet.heard(admin, room, "dan", event, 30)
    assert "wake up" in content["body"]
    assert len([c for c in fleet.said(admin, room, "dan", event)]) == 1
