"""Each change costs the writes that it needs and no others.  The calls are
counted by the proxy in front of the homeserver."""
import collections

import expect
from expect import ADMIN, ALICE, BOB, LEAD, OLIVIA, PM, agent, person
from stack import DOMAIN

SAME = {"PUT rooms/R/state/m.room.member": "POST rooms/R/join",
        "POST join/R": "POST rooms/R/join",
        "POST rooms/R/leave": "POST rooms/R/kick"}


def writes(stack, do):
    """Counter of writing calls; both ways of joining and both of going are
    one, and forgetting a room that one has left is not counted."""
    names = [SAME.get(n, n) for n in stack.written(do)]
    return collections.Counter(n for n in names
                               if n != "POST rooms/R/forget")


def told(names):
    return collections.Counter(names)


TEAM = """
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: ops}
spec:
  description: Keeps things running
  leader: {name: ops-lead, model: small}
  workers:
  - {name: oa, model: small}
"""
TEAM_2 = TEAM + "  - {name: ob, model: small}\n"
HUMAN = """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: quinn}
spec:
  displayName: Quinn
  permissionLevel: %d
  accessibleTeams: [ops]
  accessibleWorkers: [oa]
"""
MANAGER = """
apiVersion: hiclaw.io/v1beta1
kind: Manager
metadata: {name: default}
spec: {model: small}
"""
QUINN, OL, OA, OB = (person("quinn"), agent("ops-lead"), agent("oa"),
                     agent("ob"))


def members(stack, alias):
    return stack.eyes.by_alias(alias).inside - {stack.bot}


def test_setup(stack):
    stack.apply(MANAGER + "---" + TEAM)
    assert members(stack, "hiclaw_team_ops") == {OL, OA, ADMIN}
    assert members(stack, "hiclaw_worker_oa") == {OL, OA, ADMIN}
    assert members(stack, "hiclaw_leader_ops") == {
        agent("default"), OL, ADMIN}
    assert members(stack, "hiclaw_leaderdm_ops") == {OL, ADMIN}


def test_add_worker(stack):
    got = writes(stack, lambda: stack.apply(TEAM_2))
    assert got == told(
        ["POST register",               # account, device and token at once
         "POST createRoom",             # its room with everything in it
         "POST rooms/R/join",           # the worker
         "POST rooms/R/join",           # the leader
         "PUT rooms/R/state/m.space.child",
         "POST rooms/R/invite",         # the team room
         "POST rooms/R/join"]), got
    assert members(stack, "hiclaw_worker_ob") == {OL, OB, ADMIN}
    assert members(stack, "hiclaw_team_ops") == {OL, OA, OB, ADMIN}


def test_change_description(stack):
    got = writes(stack, lambda: stack.apply(
        TEAM_2.replace("Keeps things running", "Keeps the lights on")))
    assert set(got) == {"PUT rooms/R/state/m.room.topic"}, got
    assert got.total() <= 2, got        # the team room, and the space
    topic = stack.eyes.by_alias("hiclaw_team_ops").get("m.room.topic", "topic")
    assert "Keeps the lights on" in topic


def test_remove_worker(stack):
    rooms = set(stack.eyes.my_rooms())
    gone = stack.eyes.resolve("hiclaw_worker_ob")
    text = TEAM.replace("Keeps things running", "Keeps the lights on")

    def do():
        reply = stack.admin.answer(stack.room,
                                   stack.admin.paste(stack.room, text))
        if reply.state == "question":   # something is deleted: asked back
            reply = stack.ask("yes")
        assert reply.state == "done", reply
    got = writes(stack, do)
    assert got == told(
        ["POST rooms/R/kick"]           # the worker from the team room;
        + ["POST rooms/R/kick"] * 4     # worker, leader, admin, bot from its
        + ["DELETE directory/room/A",   # own, whose name is free again
           "PUT rooms/R/state/m.space.child",
           "PUT user/U/account_data/io.hiclaw.object",  # to know it again
           "POST logout/all"]), got
    assert set(stack.eyes.my_rooms()) == rooms - {gone}
    assert stack.eyes.resolve("hiclaw_worker_ob") is None
    assert members(stack, "hiclaw_team_ops") == {OL, OA, ADMIN}
    assert stack.eyes.rooms_of(OB) == []


def test_human_from_tier_2_to_3(stack):
    stack.apply(HUMAN % 2)
    for alias in ("hiclaw_team_ops", "hiclaw_worker_oa"):
        assert QUINN in members(stack, alias)

    def do():
        reply = stack.admin.answer(
            stack.room, stack.admin.paste(stack.room, HUMAN % 3))
        if reply.state == "question":
            reply = stack.ask("yes")
        assert reply.state == "done", reply
    was = [a for a in ("hiclaw_team_ops", "hiclaw_leader_ops")
           if QUINN in members(stack, a)]
    got = writes(stack, do)
    # Shown out of what tier 3 does not see; the worker's room stays.
    assert got == told(["POST rooms/R/kick"] * len(was)), got
    assert QUINN not in members(stack, "hiclaw_team_ops")
    assert QUINN in members(stack, "hiclaw_worker_oa")


def test_raise_human_from_tier_3_to_2(stack):
    got = writes(stack, lambda: stack.apply(HUMAN % 2))
    assert set(got) == {"POST rooms/R/invite"}, got
    assert QUINN in members(stack, "hiclaw_team_ops")


TEAM_ADMIN = TEAM.replace("Keeps things running", "Keeps the lights on") + \
    "  admin: {name: quinn}\n"


def test_set_team_admin(stack):
    """Quinn (tier 2, in the rooms already) takes the admin's place."""
    got = writes(stack, lambda: stack.apply(TEAM_ADMIN))
    power = stack.eyes.by_alias("hiclaw_team_ops").power["users"]
    assert power == {QUINN: 75, OL: 50}
    for alias in ("hiclaw_team_ops", "hiclaw_worker_oa",
                  "hiclaw_leaderdm_ops"):
        assert QUINN in members(stack, alias)
        assert ADMIN not in members(stack, alias)
    assert set(got) <= {"PUT rooms/R/state/m.room.power_levels",
                        "POST rooms/R/kick", "POST rooms/R/invite"}, got
    # One new level map a room, one kick a room that the admin leaves, one
    # invitation to each room that is new to Quinn.
    assert got["POST rooms/R/kick"] == 3, got
    assert got["PUT rooms/R/state/m.room.power_levels"] <= 5, got
    assert got["POST rooms/R/invite"] <= 2, got


def test_unset_team_admin(stack):
    text = TEAM_ADMIN.replace("  admin: {name: quinn}\n", "")
    got = writes(stack, lambda: stack.apply(text))
    for alias in ("hiclaw_team_ops", "hiclaw_worker_oa",
                  "hiclaw_leaderdm_ops"):
        assert ADMIN in members(stack, alias)
    assert QUINN not in members(stack, "hiclaw_leaderdm_ops")
    assert QUINN in members(stack, "hiclaw_team_ops")
    power = stack.eyes.by_alias("hiclaw_team_ops").power["users"]
    assert power == {ADMIN: 100, OL: 50}
    assert set(got) <= {"PUT rooms/R/state/m.room.power_levels",
                        "POST rooms/R/kick", "POST rooms/R/invite"}, got
    assert got["POST rooms/R/invite"] == 3, got


def test_delete_team(stack):
    before = set(stack.eyes.my_rooms())
    team = {stack.eyes.resolve(a) for a in (
        "hiclaw_team_ops", "hiclaw_leader_ops", "hiclaw_leaderdm_ops",
        "hiclaw_worker_oa", "hiclaw_space_ops")}

    def do():
        # Quinn names the team: the reference goes first.
        reply = stack.ask("@hiclaw delete human quinn")
        assert reply.state == "question", reply
        assert stack.ask("yes").state == "done"
        reply = stack.ask("@hiclaw delete team ops")
        assert reply.state == "question", reply
        assert "ops" in reply.body
        assert stack.ask("yes").state == "done"
    got = writes(stack, do)
    assert set(stack.eyes.my_rooms()) == before - team
    assert got["DELETE directory/room/A"] == 5, got
    assert got["POST logout/all"] == 2, got
    assert not set(got) & {"POST createRoom", "POST register",
                           "POST rooms/R/invite", "POST rooms/R/join"}, got
    for user in (OL, OA):
        assert stack.eyes.rooms_of(user) == []
    reply = stack.ask("@hiclaw get teams")
    assert "ops" not in reply.body, reply


def test_a_name_can_come_back(stack):
    """Deleted accounts are not burnt, and a new room is made."""
    stack.apply(TEAM)
    assert members(stack, "hiclaw_worker_oa") == {OL, OA, ADMIN}


def test_no_room_twice(stack):
    twice = {k: v for k, v in stack.eyes.by_marker().items() if len(v) > 1}
    assert not twice
