"""Changes that wait for others: eight races on a real homeserver, each with
exactly the right number of runs, 0 or 1."""
import sqlite3
import threading
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
  leader: {name: web-lead, model: small}
  workers:
  - {name: wim, model: small, soul: "%s"}
"""
HUMAN = """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: lena}
spec:
  displayName: Lena
  matrixUserId: "@lena:%s"
  permissionLevel: 2
  accessibleTeams: [web]
""" % DOMAIN
WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: solo}
spec: {model: small}
"""
# Two of tier 1 for what Lena changes; deletes of the admins wait for another
# one of them, and not for long.
POLICY = {"rules": [
    {"asker": "tier2", "mode": "approve", "approvals": 2, "expires": "1h"},
    {"asker": "tier1", "risk": ["delete"], "mode": "approve",
     "expires": "5s"}]}
YES, NO = "\u2705", "\u274c\ufe0f"
OVER = ("done", "failed", "refused")
LENA = f"@lena:{DOMAIN}"


class House:
    """The stack with three admins, Lena in a direct chat with the bot, and a
    number for each wish of hers."""

    def __init__(self, template):
        self.s = stacks.Stack(template=template, extra={
            "chat": {"policy": POLICY, "rate": 600}},
            admins=("admin", "ada", "abe"))
        for name in ("ada", "abe", "lena", "zoe"):
            self.s.new_person(name)
        self.s.start()
        self.room = self.s.room
        for name in ("ada", "abe"):
            eventually(lambda: self.s.person(name).accept() or self.room in
                       self.s.person(name).get("/joined_rooms")[
                           "joined_rooms"], 30, what=f"{name} in the room")
        self.s.apply(TEAM % "first")
        self.s.apply(HUMAN)
        self.lena = self.s.person("lena")
        self.lena.accept()
        self.dm = self.lena.post("/createRoom", {
            "is_direct": True, "preset": "trusted_private_chat",
            "invite": [self.s.bot]})["room_id"]
        eventually(lambda: self.s.bot in self.lena.get(
            f"/rooms/{quote(self.dm)}/joined_members")["joined"], 15,
            what="the bot in Lena's direct chat")
        self.serial = 0

    def wish(self):
        """Lena asks for a change: (its event, number, soul)."""
        self.serial += 1
        soul = f"wish {self.serial}"
        event = self.lena.paste(self.dm, TEAM % soul)
        reply = self.lena.answer(self.dm, event, states=("question",
                                                         "refused", "done"))
        assert reply.state == "question", reply
        assert "2 approvals are needed" in reply.body, reply
        return event, reply.mark["question"], soul

    def shown(self, number):
        """The message that shows this number in the admin room."""
        admin = self.s.admin

        def look():
            admin.sync()
            for e, c, is_edit in admin.from_bot(self.room):
                if not is_edit and e["content"].get(
                        "io.hiclaw.reply", {}).get("question") == number:
                    return e["event_id"]
            return None
        return eventually(look, 20, what=f"number {number} in the room")

    def tap(self, name, number, key=YES):
        who = self.s.person(name)
        return who.send(self.room, {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": self.shown(number),
            "key": key}}, kind="m.reaction")

    def at_once(self, *taps):
        """(name, number, key)..., as near to each other as can be."""
        ready = threading.Barrier(len(taps))
        for _, number, _ in taps:
            self.shown(number)

        def one(name, number, key):
            ready.wait()
            self.tap(name, number, key)
        threads = [threading.Thread(target=one, args=t) for t in taps]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def sql(self, query, *args):
        db = sqlite3.connect(f"file:{self.s.controller.database}?mode=ro",
                             uri=True, timeout=10)
        try:
            return db.execute(query, args).fetchall()
        finally:
            db.close()

    def closed(self, number):
        return self.sql("SELECT closed FROM proposal WHERE id = ?",
                        number)[0][0]

    def comes_to(self, number, how):
        eventually(lambda: self.closed(number) == how, 20,
                   what=f"number {number} {how}; it is "
                        f"{self.closed(number)}")

    def runs(self, actor=LENA):
        return self.sql("SELECT count(*) FROM run WHERE actor = ?",
                        actor)[0][0]

    def soul(self):
        return self.s.ask("!hiclaw get team web -o yaml").body


@pytest.fixture(scope="module")
def house(template):
    h = House(template)
    yield h
    healthy_end(h.s)


def test_two_taps_at_once(house):
    before = house.runs()
    event, number, soul = house.wish()
    house.at_once(("ada", number, YES), ("abe", number, "\U0001f44d\U0001f3fe"))
    house.comes_to(number, "approved")
    assert house.lena.answer(house.dm, event, 60, OVER).state == "done"
    assert house.runs() == before + 1
    assert soul in house.soul()
    # What is over is not started by a third.
    house.tap("admin", number)
    time.sleep(2)
    assert house.runs() == before + 1


def test_yes_and_no_at_once(house):
    before = house.runs()
    _, number, soul = house.wish()
    house.tap("admin", number)
    house.at_once(("ada", number, YES), ("abe", number, NO))
    eventually(lambda: house.closed(number), 20, what="an end")
    how = house.closed(number)
    assert how in ("approved", "denied")
    time.sleep(2)
    assert house.runs() == before + (how == "approved")
    assert (soul in house.soul()) == (how == "approved")


def test_world_moves_under_an_approval(house):
    before = house.runs()
    _, number, soul = house.wish()
    house.tap("ada", number)
    house.s.apply(TEAM % "meanwhile")
    house.tap("abe", number)
    house.comes_to(number, "superseded")
    time.sleep(1)
    assert house.runs() == before and soul not in house.soul()
    # Both have to look again, at the new one.
    again = house.sql("SELECT max(id) FROM proposal")[0][0]
    assert again == number + 1
    house.tap("abe", again)
    time.sleep(2)
    assert house.runs() == before
    house.tap("ada", again)
    house.comes_to(again, "approved")
    eventually(lambda: soul in house.soul(), 20, what="the wish")
    assert house.runs() == before + 1


def test_tap_after_expiry(house):
    house.s.apply(WORKER)
    before = house.runs(house.s.admin.me)
    reply = house.s.admin.ask(house.room, "@hiclaw delete worker solo",
                              states=("question", "done", "refused"))
    assert reply.state == "question", reply
    number = reply.mark["question"]
    message = house.shown(number)
    time.sleep(5.2)
    house.s.person("ada").send(house.room, {"m.relates_to": {
        "rel_type": "m.annotation", "event_id": message, "key": YES}},
        kind="m.reaction")
    house.comes_to(number, "expired")
    time.sleep(1)
    assert house.runs(house.s.admin.me) == before
    assert "solo" in house.s.ask("!hiclaw get workers").body


def test_strangers_tap(house):
    """Zoe is nobody here; Lena asked her into the room with the bot."""
    zoe = house.s.person("zoe")
    house.lena.post(f"/rooms/{quote(house.dm)}/invite", {"user_id": zoe.me})
    zoe.sync()
    zoe.post(f"/rooms/{quote(house.dm)}/join")
    before = house.runs()
    event, number, soul = house.wish()
    message = house.lena.forms(house.dm, event)[0][0]["event_id"]
    house.tap("ada", number)
    for key in (YES, NO, "\U0001f44d"):
        zoe.send(house.dm, {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": message, "key": key}},
            kind="m.reaction")
    time.sleep(2)
    assert house.runs() == before and house.closed(number) is None
    house.tap("abe", number)
    house.comes_to(number, "approved")
    eventually(lambda: soul in house.soul(), 20, what="the wish")


def test_own_approval(house):
    """Who asks is not one of those who approve."""
    reply = house.s.admin.ask(house.room, "@hiclaw delete worker solo",
                              states=("question", "done", "refused"))
    number = reply.mark["question"]
    house.tap("admin", number)
    said = house.s.admin.ask(house.room, f"@hiclaw approve {number}")
    assert said.state == "refused" and "your own approval" in said.body, said
    assert house.closed(number) is None
    house.tap("ada", number)
    house.comes_to(number, "approved")
    eventually(lambda: "solo" not in house.s.ask("!hiclaw get workers").body,
               20, what="the end of solo")


def test_restart_between_tap_and_run(house):
    before = house.runs()
    event, number, soul = house.wish()
    house.tap("ada", number)
    house.s.controller.kill()
    message = house.shown(number)
    house.s.person("abe").send(house.room, {"m.relates_to": {
        "rel_type": "m.annotation", "event_id": message, "key": YES}},
        kind="m.reaction")
    house.s.controller.start()
    house.comes_to(number, "approved")
    assert house.lena.answer(house.dm, event, 90, OVER).state == "done"
    assert house.runs() == before + 1
    assert soul in house.soul()


def test_edited_after_one_approval(house):
    before = house.runs()
    event, number, _ = house.wish()
    house.tap("ada", number)
    text = "```yaml\n" + (TEAM % "edited").strip("\n") + "\n```"
    house.lena.send(house.dm, {
        "msgtype": "m.text", "body": "* " + text,
        "m.new_content": {"msgtype": "m.text", "body": text},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event}})
    house.comes_to(number, "superseded")
    house.tap("abe", number)
    time.sleep(2)
    assert house.runs() == before and "edited" not in house.soul()
    again = house.sql("SELECT max(id) FROM proposal")[0][0]
    for name in ("abe", "ada"):
        house.tap(name, again)
    house.comes_to(again, "approved")
    eventually(lambda: "edited" in house.soul(), 20, what="the edit")
    assert house.runs() == before + 1


def test_a_mistyped_command_is_edited(house):
    """Homeservers let through edits of what others wrote; those are nothing."""
    def edit(name, event, text):
        return house.s.person(name).send(house.room, {
            "msgtype": "m.text", "body": "* " + text,
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event}})

    ada = house.s.person("ada")
    event = ada.send(house.room, "@hiclaw lable team web mood=good")
    assert "`label`" in ada.answer(house.room, event).body
    forged = edit("abe", event, "@hiclaw label team web mood=bad")
    edit("ada", event, "@hiclaw label team web mood=good")
    assert ada.answer(house.room, event, states=("done",)).state == "done"
    edit("ada", event, "@hiclaw label team web mood=worse")
    assert "did nothing about your edit" in ada.answer(
        house.room, event, states=("info",)).body
    labels = house.s.ask("@hiclaw get team web -o yaml").body
    assert "mood: good" in labels, labels
    assert not ada.forms(house.room, forged)


def test_receipt_names_who_approved(house):
    house.s.admin.sync()
    for e in reversed(house.s.admin.history(house.room)):
        receipt = e["content"].get("io.hiclaw.receipt")
        if receipt and receipt.get("actor") == LENA:
            break
    else:
        raise AssertionError("no receipt of Lena's")
    ids = {house.s.person(n).me for n in ("ada", "abe")}
    assert set(receipt["approved"]) == ids and receipt["proposal"] > 0
