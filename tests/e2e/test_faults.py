"""What a real homeserver cannot be made to show: limits, errors, cut wires and
slow answers at chosen calls.  Against a homeserver in one file."""
import pathlib
import shutil
import tempfile
import time

import pytest
import client
import fakehs
import stack as stacks
from client import eventually
from expect import BOT, agent, person
from stack import DOMAIN

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s}
spec: {model: small}
"""


class FakeStack:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hiclaw-fake-"))
        port = stacks.free_ports(1)[0]
        reg = stacks.generate_registration(
            self.dir / "registration.yaml", port)
        self.hs = fakehs.FakeHs(reg).start()
        self.hs.add_user("admin", stacks.PASSWORD)
        self.controller = stacks.Controller(
            self.dir / "controller", port, self.hs.url, reg,
            self.hs.shared_secret)
        self.controller.start()
        got = client.login(self.hs.url, "admin", stacks.PASSWORD)
        self.admin = client.Person(self.hs.url, got["user_id"],
                                   got["access_token"], BOT)
        self.eyes = client.Eyes(self.hs.url, stacks.yaml_field(
            reg, "as_token"), BOT, DOMAIN)
        self.room = eventually(
            lambda: self.eyes.resolve("hiclaw_admin"), 30)
        eventually(lambda: self.admin.accept(), 15)

    def stop(self):
        code = self.controller.stop()
        self.hs.stop()
        errors = self.controller.errors()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert code == 0, code
        assert not errors, errors


@pytest.fixture(scope="module")
def fake():
    f = FakeStack()
    yield f
    f.stop()


@pytest.fixture(autouse=True)
def healed(fake):
    yield
    fake.hs.heal()


def make(fake, name, timeout=60):
    reply = fake.admin.apply(fake.room, WORKER % name, timeout)
    assert reply.state == "done"
    room = fake.eyes.by_alias(f"hiclaw_worker_{name}")
    assert room and agent(name) in room.joined
    twice = {k: v for k, v in fake.eyes.by_marker().items() if len(v) > 1}
    assert not twice
    # Also none that lost its marker on the way.
    assert fake.eyes.rooms_of(agent(name)) == [room.id]
    return room


def test_baseline(fake):
    make(fake, "base")


def test_retry_after_is_obeyed(fake):
    fault = fake.hs.fail("POST createRoom", 429, {
        "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 3000},
        {"Retry-After": "3"})
    fake.hs.clear()
    make(fake, "polite")
    assert fault.hits == 1
    tries = [c for c in fake.hs.calls if c.name == "POST createRoom"]
    assert len(tries) == 2
    assert tries[1].at - tries[0].at >= 2.9


@pytest.mark.parametrize("call", [
    "POST register", "POST createRoom", "POST rooms/R/join|state/m.room.member",
    "PUT rooms/R/send", "PUT rooms/R/state/m.space.child"])
@pytest.mark.parametrize("how", ["500", "cut-before", "cut-after", "502"])
def test_one_failure(fake, call, how):
    """Each call fails once: not answered, done but not answered, refused."""
    if how.isdigit():
        fault = fake.hs.fail(call, int(how), {"errcode": "M_UNKNOWN"})
    else:
        fault = fake.hs.fail(call, None, after=how == "cut-after")
    name = f"f{abs(hash((call, how))) % 10**8}"
    make(fake, name)
    assert fault.hits == 1


def test_message_is_not_doubled(fake):
    """The answer is sent, the wire is cut before we hear so."""
    fault = fake.hs.fail("PUT rooms/R/send", None, after=True, times=3)
    event = fake.admin.send(fake.room, "@hiclaw version")
    fake.admin.answer(fake.room, event, 30)
    assert fault.hits >= 1
    time.sleep(1)
    said = [e for e in fake.admin.history(fake.room)
            if (e["content"].get(client.REPLY) or {}).get("for") == event]
    assert len(said) == 1, said


def test_slow_answers(fake):
    fake.hs.fail("POST", None, delay=1.5, times=4)
    make(fake, "slow")


def test_others_go_on_while_one_fails(fake):
    """A room that cannot be made holds nobody else up."""
    fault = fake.hs.fail("POST register", 500, {"errcode": "M_UNKNOWN"},
                         times=4)
    event = fake.admin.paste(fake.room, WORKER % "one" + "---"
                             + WORKER % "two")
    reply = fake.admin.answer(fake.room, event, 90)
    assert reply.state == "done", reply
    assert fault.hits == 4
    assert fake.eyes.resolve("hiclaw_worker_one")
    assert fake.eyes.resolve("hiclaw_worker_two")


def test_foreign_alias_is_not_taken_over(fake):
    """Somebody holds the alias: refused, said, and left alone."""
    room = fake.admin.post("/createRoom", {
        "room_alias_name": "hiclaw_worker_theirs"})["room_id"]
    event = fake.admin.paste(fake.room, WORKER % "theirs")
    reply = fake.admin.answer(fake.room, event, 60)
    assert reply.state == "failed", reply
    assert "hiclaw_worker_theirs" in reply.body
    assert fake.eyes.resolve("hiclaw_worker_theirs") == room
    state = fake.admin.get(f"/rooms/{client.quote(room)}/state")
    assert {e["state_key"] for e in state
            if e["type"] == "m.room.member"} == {fake.admin.me}
    # Freed again, it goes through without being asked.
    alias = client.quote(f"#hiclaw_worker_theirs:{DOMAIN}")
    fake.admin.call("DELETE", client.V3 + "/directory/room/" + alias)
    fake.admin.apply(fake.room, WORKER % "theirs")
    eventually(lambda: fake.eyes.resolve("hiclaw_worker_theirs") not in
               (None, room), 60, what="the room once the alias is free")


def test_human_name_in_use(fake):
    """An account that we did not make is not ours to hand out."""
    fake.hs.add_user("taken", "their own password")
    event = fake.admin.paste(fake.room, """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: taken}
spec: {displayName: Taken, permissionLevel: 3}
""")
    reply = fake.admin.answer(fake.room, event, 60)
    assert reply.state == "failed", reply
    assert "taken" in reply.body and "matrixUserId" in reply.body, reply
    assert client.login(fake.hs.url, "taken", "their own password")
    assert fake.hs.passwords[person("taken")] == "their own password"


def test_lost_pushes_are_found(fake):
    """The homeserver stops pushing for a while; /sync brings what is missed."""
    fake.hs.push_down = True
    try:
        event = fake.admin.send(fake.room, "@hiclaw version")
        reply = fake.admin.answer(fake.room, event, 60)
        assert reply.state == "info"
    finally:
        fake.hs.push_down = False


def test_garbage_answers(fake):
    """Not JSON at all, and JSON of the wrong shape."""
    fake.hs.fail("POST createRoom", 200, {"room": "?"}, times=1)
    make(fake, "garbage", 90)


def test_one_outage_is_told_once(fake):
    since = int(time.time() * 1000)
    fake.hs.cut_off()
    time.sleep(8)
    fake.hs.heal()
    make(fake, "after", 60)
    time.sleep(2)
    lines = [e["content"]["body"] for e in fake.admin.history(fake.room)
             if e["type"] == "m.room.message" and e["sender"] == BOT
             and e["origin_server_ts"] >= since
             and client.REPLY not in e["content"]
             and "m.new_content" not in e["content"]]
    assert len(lines) <= 1, lines
