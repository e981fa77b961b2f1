"""Replies and taps to the line that tells of drift, on a real homeserver: what
somebody did is adopted into the resource, left alone for a while, or put right."""
import time

import pytest
import stack as stacks
from client import eventually, quote
from conftest import healthy_end
from stack import DOMAIN

TEAM = """
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: web}
spec:
  leader: {name: lea, model: small}
  workers:
  - {name: wim, model: small, soul: You test., agents: Ask first.}
"""
HUMAN = """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: lena}
spec:
  displayName: Lena
  matrixUserId: "@lena:%s"
  permissionLevel: 2
""" % DOMAIN
LENA = f"@lena:{DOMAIN}"
ADOPT, IGNORE = "\U0001f4e5", "\U0001f515"


class House:
    def __init__(self, template):
        self.s = stacks.Stack(template=template)
        self.s.new_person("lena")
        self.s.start()
        self.room = self.s.room
        self.s.apply(TEAM)
        self.s.apply(HUMAN)
        self.s.settle()
        self.admin = self.s.admin
        self.admin.accept()
        self.team = self.s.eyes.resolve("hiclaw_team_web")
        self.home = self.s.controller.storage / "agents" / "wim"

    def topic(self):
        return self.s.eyes.room(self.team).get("m.room.topic", "topic")

    def set_topic(self, topic):
        self.admin.put(f"/rooms/{quote(self.team)}/state/m.room.topic/",
                       {"topic": topic})

    def notice(self, do):
        """What is done, and the event of the one line about it."""
        event, self.said = self.s.drift(do)
        return event

    def change(self, name, old, new):
        """Another text in a file of wim's home, by somebody."""
        file = self.home / name
        text = file.read_text()
        assert old in text, text
        return self.notice(lambda: file.write_text(text.replace(old, new)))

    def adopt(self, notice):
        reply = self.reply(notice, "adopt")
        if reply.state == "question":
            reply = self.s.ask("!hiclaw yes")
        assert reply.state == "done", reply

    def reply(self, to, body):
        return self.s.reply(to, body)

    def tap(self, to, key):
        return self.admin.send(self.room, {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": to, "key": key}},
            kind="m.reaction")

    def get(self, what):
        return self.s.ask(f"!hiclaw get {what} -o yaml").body


@pytest.fixture(scope="module")
def house(template):
    h = House(template)
    yield h
    healthy_end(h.s)


def test_topic_is_adopted(house):
    before = house.topic()
    notice = house.notice(lambda: house.set_topic("All about the web"))
    eventually(lambda: house.topic() == before, 10, what="put right")
    house.adopt(notice)
    assert "description: All about the web" in house.get("team web")
    eventually(lambda: house.topic() == "All about the web", 10,
               what="the topic as adopted")


def test_member_is_adopted(house):
    notice = house.notice(lambda: house.admin.post(
        f"/rooms/{quote(house.team)}/invite", {"user_id": LENA}))
    eventually(lambda: LENA not in house.s.eyes.room(house.team).inside, 10,
               what="Lena shown out")
    reply = house.reply(notice, "Adopt")
    if reply.state == "question":
        assert house.s.ask("!hiclaw yes").state == "done"
    assert "accessibleTeams" in house.get("human lena")
    eventually(lambda: LENA in house.s.eyes.room(house.team).inside, 10,
               what="Lena let in")


def test_what_cannot_be_declared(house):
    name = house.s.eyes.room(house.team).get("m.room.name", "name")
    notice = house.notice(lambda: house.admin.put(
        f"/rooms/{quote(house.team)}/state/m.room.name/", {"name": "Mine"}))
    reply = house.reply(notice, "adopt")
    assert "adopt" not in house.said, house.said
    assert reply.state == "refused" and "is called after" in reply.body, reply
    assert house.s.eyes.room(house.team).get("m.room.name", "name") == name


def test_power_is_adopted(house):
    """Power 100 in the admin room is tier 1."""
    state = house.s.eyes.room(house.room).state
    levels = state["m.room.power_levels", ""]["content"]
    levels["users"][LENA] = 100
    notice = house.notice(lambda: house.admin.put(
        f"/rooms/{quote(house.room)}/state/m.room.power_levels/", levels))
    assert "spec.permissionLevel of Human/lena" in house.said
    house.adopt(notice)
    assert "permissionLevel: 1" in house.get("human lena")
    house.s.apply(HUMAN)        # as it was
    house.s.settle()


def test_soul_is_adopted(house):
    soul = house.home / "SOUL.md"
    notice = house.change("SOUL.md", "You test.", "You test.\n\nTwice.")
    assert "spec.workers[wim].soul of Team/web" in house.said
    eventually(lambda: soul.read_text() == "You test.\n", 10,
               what="put right")
    house.adopt(notice)
    assert "Twice." in house.get("team web")
    eventually(lambda: soul.read_text() == "You test.\n\nTwice.\n", 10,
               what="the soul as adopted")


def test_our_part_of_agents_is_adopted(house):
    agents = house.home / "AGENTS.md"
    notice = house.change("AGENTS.md", "Ask first.", "Never ask.")
    eventually(lambda: "Ask first." in agents.read_text(), 10,
               what="put right")
    house.adopt(notice)
    assert "agents: Never ask." in house.get("team web")
    eventually(lambda: "Never ask." in agents.read_text(), 10,
               what="our part as adopted")


def test_what_no_field_holds(house):
    notice = house.change("USER.md", "# People", "# Nobody")
    assert "adopt" not in house.said
    reply = house.reply(notice, "adopt")
    assert reply.state == "refused" and "it is made from" in reply.body, reply


def test_secret_is_not_adopted(house):
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    before = house.get("team web")
    notice = house.change("SOUL.md", "Twice.", f"Use {secret} for it.")
    assert "adopt" not in house.said
    reply = house.reply(notice, "adopt")
    assert reply.state == "refused" and "a secret in it" in reply.body, reply
    assert house.get("team web") == before
    house.admin.sync()
    for e, c, is_edit in house.admin.from_bot(house.room):
        assert secret not in c.get("body", "")
    for file in house.s.controller.dir.glob("hiclaw.db*"):
        assert secret.encode() not in file.read_bytes()


def test_ignored_until_reverted(house):
    good = house.topic()
    notice = house.notice(lambda: house.set_topic("one"))
    eventually(lambda: house.topic() == good, 10, what="put right")
    assert house.reply(notice, "ignore 2h").state == "done"
    house.set_topic("two")
    time.sleep(3)
    assert house.topic() == "two"
    assert house.s.controller.stop() == 0
    house.s.controller.start()
    time.sleep(4)
    assert house.topic() == "two"
    assert house.reply(notice, "revert").state == "done"
    eventually(lambda: house.topic() == good, 10, what="put right again")


def test_ignored_for_seconds(house):
    good = house.topic()
    notice = house.notice(lambda: house.set_topic("one"))
    eventually(lambda: house.topic() == good, 10, what="put right")
    assert house.reply(notice, "ignore 6s").state == "done"
    start = time.time()
    house.set_topic("two")
    time.sleep(2)
    assert house.topic() == "two"
    eventually(lambda: house.topic() == good, 15, what="put right by itself")
    assert time.time() - start > 4


def test_taps(house):
    good = house.topic()
    notice = house.notice(lambda: house.set_topic("tapped"))
    eventually(lambda: house.topic() == good, 10, what="put right")
    house.tap(notice, ADOPT)
    house.s.admin.wait_for(house.room, lambda e: e["sender"] ==
                           house.s.admin.bot and "Somebody else did it" in
                           e["content"].get("body", ""), what="a question")
    assert house.s.ask("!hiclaw yes").state == "done"
    eventually(lambda: house.topic() == "tapped", 20, what="adopted by a tap")
    house.tap(notice, IGNORE)
    time.sleep(2)
    house.set_topic("left")
    time.sleep(3)
    assert house.topic() == "left"
    house.tap(notice, "\u21a9\ufe0f")
    eventually(lambda: house.topic() == "tapped", 20, what="put right")
