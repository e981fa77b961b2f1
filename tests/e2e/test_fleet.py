"""Agents live in containers of a real Podman, and answer in their rooms through a
real Envoy: a team at work, and who is not heard."""
import json
import time

import fleet as fleets
import pytest
from client import eventually
from fleet import document, mention, user_id

TEAM = "\n---\n".join((
    document("Manager", "default", {"model": "parrot", "soul": "You manage."}),
    document("Team", "crew", {
        "description": "Two of them.",
        "leader": {"name": "lead", "model": "parrot", "soul": "You lead."},
        "workers": [{"name": "alice", "model": "parrot",
                     "soul": "You write pages."}]}),
    document("Worker", "dan", {"model": "parrot", "soul": "You deploy."}),
    document("Human", "victor", {
        "displayName": "Victor", "permissionLevel": 3,
        "matrixUserId": f"@stranger:{fleets.DOMAIN}",
        "accessibleWorkers": ["alice"]})))
AGENTS = {"default", "lead", "alice", "dan"}


@pytest.fixture(scope="module")
def fleet(template):
    f = fleets.Fleet(template)
    try:
        reply = f.apply(TEAM)
        assert reply.state == "done", reply
        yield f
        code = f.stack.controller.stop()
        errors = f.stack.controller.errors()
        assert not errors, "\n".join(errors)
        assert code in (0, None)
    finally:
        f.stop()


def test_each_agent_has_its_container(fleet):
    """When the run is done every agent has reported."""
    ours = fleet.ours()
    assert set(ours) == AGENTS
    for name, c in ours.items():
        assert c["State"] == "running", (name, c)
        labels = c["Labels"]
        assert labels["hiclaw.io/instance"] == fleet.stack.instance
        assert labels["hiclaw.io/spec-hash"]
    assert ours["lead"]["Labels"]["hiclaw.io/team"] == "crew"
    assert len(fleet.engine.all()) == len(AGENTS), "nobody else's"
    for kind, name in (("workers", "dan"), ("workers", "alice"),
                       ("workers", "lead"), ("managers", "default")):
        assert fleet.phase(kind, name) in ("Ready", "Running"), name


def test_least_power(fleet):
    """No secret in what everybody who may ask the engine sees; no privilege."""
    secrets = []
    for name in ("dan", "alice", "lead", "default"):
        home = fleet.stack.controller.storage / "agents" / name
        config = json.loads((home / "openclaw.json").read_text())
        secrets.append(config["channels"]["matrix"]["accessToken"])
        secrets += [p["apiKey"] for p in
                    config["models"]["providers"].values()]
    for name in AGENTS:
        c = fleet.inspect(name)
        text = json.dumps(c)
        assert not any(s in text for s in secrets), name
        host = c["HostConfig"]
        assert not host["Privileged"] and not host["CapAdd"]
        assert host["Memory"] == 64 << 20
        assert host["PidsLimit"] and host["NanoCpus"]
        assert "no-new-privileges" in " ".join(host["SecurityOpt"])
        with open(f"/proc/{c['State']['Pid']}/status") as f:
            status = dict(line.split(":\t", 1) for line in f if ":\t" in line)
        assert int(status["CapEff"], 16) == 0, name
        assert status["NoNewPrivs"].strip() == "1"


def test_a_worker_answers_its_admin(fleet):
    room = fleet.enter(fleet.stack.admin, "hiclaw_worker_dan")
    content = fleet.answer(fleet.stack.admin, room, "dan", "say hello",
                           test=lambda c: "say hello" in c["body"])
    assert "parrot" in content["body"]


def test_a_leader_hands_work_to_a_worker(fleet):
    admin = fleet.stack.admin
    room = fleet.enter(admin, "hiclaw_team_crew")
    asked = fleet.say(admin, room, mention(user_id("lead"),
                                           "ask alice to draw a cat"))
    handed = fleet.heard(
        admin, room, "lead", asked,
        test=lambda c: user_id("alice") in
        (c.get("m.mentions") or {}).get("user_ids", []))
    assert "cat" in handed["body"]
    done = fleet.heard(
        admin, room, "alice", asked,
        test=lambda c: user_id("lead") in
        (c.get("m.mentions") or {}).get("user_ids", []))
    assert "cat" in done["body"]
    # And then they are done with it.
    time.sleep(5)
    n = len(fleet.said(admin, room, "lead", asked)) + \
        len(fleet.said(admin, room, "alice", asked))
    time.sleep(5)
    assert n == len(fleet.said(admin, room, "lead", asked)) + \
        len(fleet.said(admin, room, "alice", asked)), "they go on and on"


def test_who_may_not_speak_to_it_gets_no_answer(fleet):
    """Tier 3: alice is named, her leader is not; both are in the room."""
    victor = fleet.stack.person("stranger")
    room = fleet.enter(victor, "hiclaw_worker_alice")
    event = fleet.say(victor, room, mention(user_id("lead"), "do you hear me"))
    fleet.silent(victor, room, "lead", event)
    content = fleet.answer(victor, room, "alice", "do you hear me")
    assert "hear me" in content["body"]


def test_a_revoked_key_is_said_plainly(fleet):
    """While nobody puts it right."""
    admin, controller = fleet.stack.admin, fleet.stack.controller
    room = fleet.enter(admin, "hiclaw_worker_dan")
    controller.stop()
    keys = fleet.dir / "gateway" / "keys.json"
    tree = json.loads(keys.read_text())
    config = tree["resources"][0]["typed_config"]
    config["credentials"] = [c for c in config["credentials"]
                             if c["client"] != "worker-dan"]
    tree["version_info"] = "revoked"
    fresh = keys.with_suffix(".new")
    fresh.write_text(json.dumps(tree))
    fresh.rename(keys)
    time.sleep(1)
    content = fleet.answer(admin, room, "dan", "are you there",
                           test=lambda c: "key" in c["body"])
    assert "parrot" not in content["body"]
    controller.start()
    eventually(lambda: "parrot" in fleet.answer(
        admin, room, "dan", "and now", 20,
        test=lambda c: c.get("body"))["body"], 60, 1, "the key is back")


def test_a_container_taken_away_is_adopted(fleet):
    """Who removes a container by hand may have meant it: it is put right, and
    then declared."""
    assert fleet.apply(document("Worker", "rita",
                                {"model": "parrot"})).state == "done"
    first = fleet.life("rita")[0]
    event, said = fleet.stack.drift(lambda: fleet.engine.podman(
        "rm", "-f", "-t", "0", fleet.name("rita")))
    assert "made again" in said and "spec.state of Worker/rita" in said, said
    assert fleet.life("rita")[0] not in (None, first)
    reply = fleet.stack.reply(event, "adopt")
    if reply.state == "question":
        reply = fleet.ask("yes", 60)
    assert reply.state == "done", reply
    assert "state: Stopped" in fleet.ask("@hiclaw get worker rita -o yaml").body
    eventually(lambda: fleet.inspect("rita") is None, 60,
               what="the container goes")
    why = fleet.ask("@hiclaw why worker rita")
    assert "Worker/rita" in why.body and "adopt what was done to container " \
        "rita" in why.body, why
    fleet.ask("@hiclaw delete worker rita")
    fleet.ask("yes", 60)


def test_a_deleted_worker_leaves_nothing(fleet):
    reply = fleet.apply(document("Worker", "gone", {"model": "parrot"}))
    assert reply.state == "done"
    assert fleet.running("gone")
    question = fleet.ask("@hiclaw delete worker gone")
    assert question.state == "question"
    fleet.ask("yes", 90)
    eventually(lambda: fleet.inspect("gone") is None, 60,
               what="the container goes")
