"""The permission matrix on the real program: every command of the table, given by
people of every tier in every kind of room that they can be in.

tests/data/chat/matrix.txt is made from the command files by a unit test.  Here each
command comes with a flag that none has, so that a command which is heard says so and
does nothing; one that is not heard says nothing (the one sentence about it was said
before), or that sentence.
"""
import pathlib
import time

import pytest
from client import REPLY, eventually, quote
from expect import person
from stack import ROOT

DATA = pathlib.Path(ROOT) / "tests" / "data" / "chat" / "matrix.txt"
TEAM = """
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: web}
spec:
  leader: {name: web-lead, model: small}
  workers:
  - {name: wim, model: small}
---
apiVersion: hiclaw.io/v1beta1
kind: Manager
metadata: {name: default}
spec: {model: small}
"""
HUMAN = """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: %(name)s}
spec:
  displayName: %(name)s
  matrixUserId: "%(id)s"
  permissionLevel: %(tier)d
  accessibleTeams: [web]
  accessibleWorkers: [wim]
"""
ROOMS = {"admin": "hiclaw_admin", "team": "hiclaw_team_web",
         "leader": "hiclaw_leader_web", "worker": "hiclaw_worker_wim",
         "manager": "hiclaw_manager_default"}
TIERS = {"admin": 1, "lena": 2, "tim": 3, "zoe": 0}
COLUMN = {1: 0, 2: 1, 3: 2, 0: 3}


def table():
    """{(command, room kind, tier): letter}"""
    lines = DATA.read_text().splitlines()
    kinds = lines[0].split(": ")[1].split()
    for line in lines[1:]:
        name, cells = line[:16].strip(), line[16:].split()
        for kind, cell in zip(kinds, cells, strict=True):
            for tier, at in COLUMN.items():
                yield name, kind, tier, cell[at]


@pytest.fixture(scope="module")
def house(stack):
    for name in ("lena", "tim", "zoe"):
        stack.new_person(name)
    stack.apply(TEAM)
    for name in ("lena", "tim"):
        stack.apply(HUMAN % {"name": name, "id": person(name),
                             "tier": TIERS[name]})
    stack.settle()
    for name in ("admin", "lena", "tim"):
        stack.person(name).accept()
    return stack


def dm(stack, name):
    who = stack.person(name)
    room = who.post("/createRoom", {
        "is_direct": True, "preset": "trusted_private_chat",
        "invite": [stack.bot]})["room_id"]
    eventually(lambda: stack.bot in who.get(
        f"/rooms/{quote(room)}/joined_members")["joined"], 15,
        what=f"the bot in {name}'s direct chat")
    return room


def guest(stack):
    """A room of the admin's with the bot and everybody in it."""
    admin = stack.admin
    room = admin.post("/createRoom", {
        "preset": "private_chat", "name": "talk",
        "invite": [stack.bot] + [person(n) for n in TIERS if n != "admin"]
    })["room_id"]
    for name in TIERS:
        if name != "admin":
            stack.person(name).sync()
            stack.person(name).post(f"/rooms/{quote(room)}/join")
    eventually(lambda: stack.bot in admin.get(
        f"/rooms/{quote(room)}/joined_members")["joined"], 15,
        what="the bot in the guest room")
    return room


def places(stack):
    """(room kind, name, room id) of all who are in a room."""
    talk = guest(stack)
    for name in TIERS:
        yield "guest", name, talk
        if name != "zoe":
            yield "dm", name, dm(stack, name)
    for kind, alias in ROOMS.items():
        room = stack.eyes.by_alias(alias)
        for name in TIERS:
            if person(name) in room.joined:
                yield kind, name, room.id


def replies(who, room):
    """{event: body} of what the bot answered: from the server, since a /sync has no
    more than 100 events of a room."""
    out = {}
    for e in who.history(room):
        mark = e["content"].get(REPLY)
        if e["sender"] == who.bot and mark and mark.get("for"):
            out.setdefault(mark["for"], e["content"]["body"])
    return out


def test_matrix(house):
    cells = {}
    for name, kind, tier, letter in table():
        cells.setdefault((kind, tier), {})[name] = letter
    bad, heard, seen = [], 0, set()
    for kind, name, room in list(places(house)):
        who, tier = house.person(name), TIERS[name]
        row = cells[kind, tier]
        who.sync()
        # The sentence that is said once.
        sent = {c: who.put(
            f"/rooms/{quote(room)}/send/m.room.message/{kind}-{name}-{i}",
            {"msgtype": "m.text", "body": f"@hiclaw {c} --no-such-flag"}
        )["event_id"] for i, c in enumerate(row)}
        # Everything before it was taken when this one is answered.
        last = house.admin.send(house.room, "@hiclaw version")
        house.admin.answer(house.room, last, 60)
        got = replies(who, room)
        # ... and sent, in another room, a moment later.
        limit = time.monotonic() + 10
        while time.monotonic() < limit and not all(
                sent[c] in got for c, letter in row.items() if letter == "o"):
            got = replies(who, room)
        for command, letter in row.items():
            body = got.get(sent[command], "")
            is_heard = "no-such-flag" in body
            heard += is_heard
            if is_heard != (letter == "o"):
                bad.append(f"{kind}: {name} (tier {tier}): {command}: "
                           f"{letter}, but: {body!r}")
        seen.add((kind, tier))
    assert not bad, "\n".join(bad[:20])
    assert heard > 200
    # Nobody of tier 2, 3 or 0 gets into these.
    missing = {k for k in cells if k[0] != "other"} - seen
    assert missing <= {(k, t) for k in ("admin", "leader", "manager", "worker",
                                        "team") for t in (2, 3, 0)} | {
        ("dm", 0)}, missing
