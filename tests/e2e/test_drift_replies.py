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
  - {name: wim, model: small}
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

    def topic(self):
        return self.s.eyes.room(self.team).get("m.room.topic", "topic")

    def set_topic(self, topic):
        self.admin.put(f"/rooms/{quote(self.team)}/state/m.room.topic/",
                       {"topic": topic})

    def notice(self, do):
        """What is done, and the event of the one line about it."""
        self.s.settle()
        since = int(time.time() * 1000) - 500
        do()

        def look():
            self.admin.sync()
            for e, c, is_edit in self.admin.from_bot(self.room):
                if e["origin_server_ts"] >= since and not is_edit and \
                        "changed it, put right" in c["body"]:
                    return e["event_id"]
            return None
        return eventually(look, 20, what="a line about it")

    def reply(self, to, body, states=("done", "info", "refused", "question")):
        event = self.admin.send(self.room, {
            "msgtype": "m.text", "body": body,
            "m.relates_to": {"m.in_reply_to": {"event_id": to}}})
        return self.admin.answer(self.room, event, 60, states)

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
    reply = house.reply(notice, "adopt")
    assert reply.state == "done", reply
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
    assert reply.state == "refused" and "Nothing of it" in reply.body, reply
    assert house.s.eyes.room(house.team).get("m.room.name", "name") == name


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
    eventually(lambda: house.topic() == "tapped", 20, what="adopted by a tap")
    house.tap(notice, IGNORE)
    time.sleep(2)
    house.set_topic("left")
    time.sleep(3)
    assert house.topic() == "left"
    house.tap(notice, "\u21a9\ufe0f")
    eventually(lambda: house.topic() == "tapped", 20, what="put right")
