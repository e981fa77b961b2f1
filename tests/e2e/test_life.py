"""The life of agents on a real Podman: woken by whoever may speak to them, also
when the controller is killed in between; asleep when nobody needs them; and the
commands that look into them."""
import os
import re
import time

import fleet as fleets
import pytest
from client import eventually, quote
from fleet import DOMAIN, document, mention, user_id

CREW = "\n---\n".join((
    document("Team", "crew", {
        "description": "Two of them.",
        "leader": {"name": "lead", "model": "parrot", "soul": "You lead.",
                   "workerIdleTimeout": "15s"},
        "workers": [{"name": "alice", "model": "parrot",
                     "soul": "You draw."},
                    {"name": "bob", "model": "parrot", "soul": "You rest.",
                     "state": "Stopped"}]}),
    document("Worker", "dan", {"model": "parrot"}),
    document("Human", "victor", {
        "displayName": "Victor", "permissionLevel": 3,
        "matrixUserId": f"@stranger:{DOMAIN}",
        "accessibleWorkers": ["alice"]})))
BUSY = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


@pytest.fixture(scope="module")
def fleet(template):
    f = fleets.Fleet(template)
    try:
        f.engine.image("life/busy:1", BUSY)
        assert f.apply(CREW).state == "done"
        yield f
        code = f.stack.controller.stop()
        errors = f.stack.controller.errors()
        assert not errors, "\n".join(errors)
        assert code in (0, None)
    finally:
        f.stop()


def messages(person, room, limit=60):
    """Oldest first."""
    page = person.get(f"/rooms/{quote(room)}/messages", dir="b", limit=limit)
    return [e for e in reversed(page["chunk"])
            if e["type"] == "m.room.message"]


def after(person, room, event):
    events = messages(person, room)
    at = [e["event_id"] for e in events].index(event)
    return events[at + 1:]


def put_to_sleep(fleet, name):
    assert fleet.ask(f"@hiclaw sleep {name}", 60).state == "done"
    assert not fleet.running(name)


def receipts(fleet, *words):
    fleet.stack.admin.sync(200)
    return [c["body"] for _, c, edit in
            fleet.stack.admin.from_bot(fleet.stack.room)
            if not edit and "io.hiclaw.receipt" in c
            and all(w in c["body"] for w in words)]


def test_woken_in_no_time(fleet):
    """From the message to the answer; the room is told once, briefly."""
    admin, took = fleet.stack.admin, []
    room = fleet.enter(admin, "hiclaw_worker_dan")
    for i in range(3):
        put_to_sleep(fleet, "dan")
        start = time.monotonic()
        event = fleet.say(admin, room, mention(user_id("dan"), f"word {i}"))
        fleet.heard(admin, room, "dan", event,
                    test=lambda c: f"word {i}" in c["body"])
        took.append(time.monotonic() - start)
    print("message to answer:", " ".join(f"{t:.2f} s" for t in took))
    assert sorted(took)[1] < 5
    said = [e["content"]["body"] for e in after(admin, room, event)
            if e["sender"] == fleet.stack.bot]
    assert said == ["Waking dan."]
    assert len(receipts(fleet, "wake dan")) == 3
    assert "@admin" in receipts(fleet, "wake dan")[-1]


def test_who_may_not_speak_to_it_does_not_wake_it(fleet):
    """Both are in the room; only one of them is for him."""
    victor = fleet.stack.person("stranger")
    room = fleet.enter(victor, "hiclaw_worker_alice")
    put_to_sleep(fleet, "lead")
    put_to_sleep(fleet, "alice")
    event = victor.send(room, mention(user_id("lead"), "anybody there"))
    time.sleep(3)
    assert not fleet.running("lead") and not fleet.running("alice")
    assert not after(victor, room, event)
    event = victor.send(room, mention(user_id("alice"), "and you"))
    fleet.heard(victor, room, "alice", event)
    assert not fleet.running("lead")
    assert "@stranger" in receipts(fleet, "wake alice")[-1]
    fleet.ask("@hiclaw wake lead", 60)


def test_a_mention_while_the_controller_is_dead(fleet):
    admin = fleet.stack.admin
    room = fleet.enter(admin, "hiclaw_worker_dan")
    if fleet.running("dan"):
        put_to_sleep(fleet, "dan")
    fleet.stack.controller.kill()
    event = fleet.say(admin, room, mention(user_id("dan"), "good morning"))
    time.sleep(1)
    fleet.stack.controller.start()
    fleet.heard(admin, room, "dan", event, 60,
                lambda c: "good morning" in c["body"])


@pytest.mark.parametrize("point", ["inbox.stored", "inbox.before-commit",
                                   "run.before-start", "run.after-start"])
def test_killed_while_it_wakes(fleet, point):
    """The message is not lost, and answered once."""
    admin, c = fleet.stack.admin, fleet.stack.controller
    room = fleet.enter(admin, "hiclaw_worker_dan")
    if fleet.running("dan"):
        put_to_sleep(fleet, "dan")
    c.stop()
    # Anything that comes may reach the first of these.
    c.start({"HICLAW_FAULT": f"{point}:1"}, wait=False)
    event = fleet.say(admin, room, mention(user_id("dan"), f"at {point}"))
    assert c.wait_end(60) != 0, f"{point} was not reached"
    c.start()
    fleet.heard(admin, room, "dan", event, 60,
                lambda x: f"at {point}" in x["body"])
    time.sleep(1)
    assert len([x for x in fleet.said(admin, room, "dan", event)
                if f"at {point}" in x["body"]]) == 1


def test_a_leader_wakes_its_worker(fleet):
    admin = fleet.stack.admin
    room = fleet.enter(admin, "hiclaw_team_crew")
    if fleet.running("alice"):
        put_to_sleep(fleet, "alice")
    asked = fleet.say(admin, room, mention(user_id("lead"),
                                           "ask alice to draw a cat"))
    done = fleet.heard(
        admin, room, "alice", asked, 60,
        lambda c: user_id("lead") in
        (c.get("m.mentions") or {}).get("user_ids", []))
    assert "cat" in done["body"]
    assert "@hiclaw_lead" in receipts(fleet, "wake alice")[-1]


def test_idle_workers_fall_asleep(fleet):
    """alice has 15 s of her team; lead and dan stay."""
    assert fleet.ask("@hiclaw ensure-ready dan", 60).state == "done"
    assert fleet.ask("@hiclaw ensure-ready alice", 60).state == "done"
    eventually(lambda: not fleet.running("alice"), 60, 0.5, "alice sleeps")
    assert fleet.running("lead") and fleet.running("dan")
    said = eventually(lambda: receipts(fleet, "idle for 15s"), 20)[-1]
    assert "sleep alice" in said and "@hiclaw:" in said
    assert fleet.inspect("bob") is None
    listed = fleet.ask("@hiclaw get workers").body
    assert re.search("alice .*Sleeping", listed)
    assert re.search("bob .*Stopped", listed)
    assert re.search("dan .*Ready", listed)
    assert "1 asleep" in fleet.ask("@hiclaw status").body


def test_describe_logs_exec_restart(fleet):
    said = fleet.ask("@hiclaw describe worker dan").body
    assert "running since" in said and "hiclaw/nano" in said
    assert re.search(r"ready, reported \d+s ago", said)
    assert "in touch with the homeserver" in \
        fleet.ask("@hiclaw logs dan --tail 20").body
    said = fleet.ask("@hiclaw exec dan -- /usr/bin/hiclaw-nano --version")
    assert "exit code 0" in said.body and "hiclaw-nano" in said.body
    before = fleet.life("dan")
    assert fleet.ask("@hiclaw restart dan", 60).state == "done"
    assert fleet.life("dan")[0] == before[0]
    assert fleet.life("dan")[1] != before[1]
    # Nothing of it may leak what the agent holds.
    home = fleet.stack.controller.storage / "agents" / "dan"
    token = re.search(r'"accessToken":\s*"([^"]+)"',
                      (home / "openclaw.json").read_text())[1]
    said = fleet.ask("@hiclaw cat dan openclaw.json").body
    assert token not in said and "***" in said


def test_exec_at_most_once(fleet):
    """A kill in the middle of it: that is said, and it is not done again."""
    admin, c = fleet.stack.admin, fleet.stack.controller
    admin.paste(fleet.stack.room, document(
        "Worker", "busy", {"model": "parrot", "image": "life/busy:1"}))
    eventually(lambda: fleet.running("busy"), 60, what="busy runs")
    event = admin.send(fleet.stack.room, "@hiclaw exec busy -- sh -c "
                       "\"echo x >> /tmp/count; sleep 4\"")
    eventually(lambda: "x" in fleet.ask(
        "@hiclaw exec busy -- cat /tmp/count").body, 20, 0.2, "it began")
    c.kill()
    c.start()
    reply = admin.answer(fleet.stack.room, event, 30)
    assert reply.state == "refused" and "restarted" in reply.body
    time.sleep(5)
    said = fleet.ask("@hiclaw exec busy -- cat /tmp/count").body
    assert said.count("\nx") == 1, said


def test_token(fleet):
    """Told once, in the DM; it is worth what its person is worth."""
    admin = fleet.stack.admin
    reply = fleet.ask("@hiclaw token --days 2")
    assert reply.state == "done" and "2 days" in reply.body

    def told():
        admin.accept()
        for room in admin.get("/joined_rooms")["joined_rooms"]:
            for e in messages(admin, room, 10):
                got = re.search(r"token: ([0-9a-f]{64})",
                                e["content"].get("body", ""))
                if got:
                    return got[1]
        return None
    token = eventually(told, 30, 0.5, "the token in the DM")
    for path in ("status", "workers/dan"):
        assert fleet.rest("GET", f"/api/v1/{path}", token)[0] == 200
    assert token not in os.popen(
        f"strings {fleet.stack.controller.database}*").read()
    assert "ended" in fleet.ask("@hiclaw token revoke").body
    assert fleet.rest("GET", "/api/v1/status", token)[0] == 401
