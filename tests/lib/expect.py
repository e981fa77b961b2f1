"""What the sample must become, written by hand from the rules for rooms: who
is in which room, with which power.  Nothing here is computed by the program
under test, and little is computed at all: a table that can be read beside
the rules is worth more than a clever one.
"""
import pathlib

from stack import DOMAIN, ROOT

SAMPLE = pathlib.Path(ROOT / "contrib" / "samples"
                      / "frontend-team.yaml").read_text()

BOT = f"@hiclaw:{DOMAIN}"


def agent(name):
    return f"@hiclaw_{name}:{DOMAIN}"


def person(name):
    return f"@{name}:{DOMAIN}"


ADMIN = person("admin")
OLIVIA, PM, VICTOR = person("olivia"), person("pm-zhang"), person("victor")
MANAGER, LEAD = agent("default"), agent("frontend-lead")
ALICE, BOB, DAN = agent("alice"), agent("bob"), agent("devops-dan")

AGENTS = {MANAGER, LEAD, ALICE, BOB, DAN}
PEOPLE = {ADMIN, OLIVIA, PM, VICTOR}

# alias -> {member: power}, without the bot.  Tier 1 (olivia) is in every room
# but manager and leader DMs; the team admin (pm-zhang) stands in for the
# admin in the rooms of the team; tier 3 (victor) is in the rooms of the
# workers that name him; the manager is never in a team room.
ROOMS = {
    "hiclaw_admin": {ADMIN: 100, OLIVIA: 100},
    "hiclaw_manager_default": {MANAGER: 50, ADMIN: 100},
    "hiclaw_worker_devops-dan": {
        MANAGER: 50, ADMIN: 100, DAN: 0, OLIVIA: 100, VICTOR: 0},
    "hiclaw_leader_frontend": {
        MANAGER: 50, ADMIN: 100, LEAD: 50, OLIVIA: 100},
    "hiclaw_team_frontend": {
        LEAD: 50, PM: 75, ALICE: 0, BOB: 0, OLIVIA: 100},
    "hiclaw_worker_alice": {
        LEAD: 50, PM: 75, ALICE: 0, OLIVIA: 100, VICTOR: 0},
    "hiclaw_worker_bob": {LEAD: 50, PM: 75, BOB: 0, OLIVIA: 100},
    "hiclaw_leaderdm_frontend": {PM: 75, LEAD: 50},
}

# Spaces hold the people who are in a room below, and no agents.
SPACES = {
    "hiclaw_space": {ADMIN: 100, OLIVIA: 100, PM: 0, VICTOR: 0},
    "hiclaw_space_frontend": {ADMIN: 100, OLIVIA: 100, PM: 75, VICTOR: 0},
}

CHILDREN = {
    "hiclaw_space": {"hiclaw_admin", "hiclaw_manager_default",
                     "hiclaw_worker_devops-dan", "hiclaw_space_frontend"},
    "hiclaw_space_frontend": {
        "hiclaw_leader_frontend", "hiclaw_team_frontend",
        "hiclaw_worker_alice", "hiclaw_worker_bob",
        "hiclaw_leaderdm_frontend"},
}


def check_room(room, alias, members, bot=BOT):
    """Exactly these members, exactly these levels, and the rest of the rules."""
    assert room is not None, f"{alias} does not exist"
    assert room.inside == set(members) | {bot}, alias
    for user in room.inside:
        if user == bot or user.startswith("@hiclaw_"):
            assert user in room.joined, f"{alias}: {user} has not joined"
    power = room.power
    levels = {u: n for u, n in power["users"].items() if n != 0}
    want = {u: n for u, n in members.items() if n}
    assert levels == want, f"{alias}: {levels}"
    assert bot not in power["users"], "version 12 creators are not listed"
    # Nobody talks in a space.
    is_space = room.get("m.room.create", "type") == "m.space"
    for key, level in (("users_default", 0),
                       ("events_default", 75 if is_space else 0),
                       ("invite", 75), ("kick", 75), ("ban", 75),
                       ("state_default", 75), ("redact", 50)):
        assert power[key] == level, f"{alias}: {key} is {power[key]}"
    assert power["notifications"]["room"] == 50, alias
    for kind in ("m.room.power_levels", "m.room.tombstone",
                 "m.room.server_acl", "m.room.encryption",
                 "m.room.history_visibility"):
        assert power["events"][kind] == 100, f"{alias}: {kind}"
    assert room.creator == bot, alias
    assert room.get("m.room.create", "room_version") == "12", alias
    assert room.get("m.room.create", "m.federate") is False, alias
    assert not room.get("m.room.create", "additional_creators"), alias
    assert room.get("m.room.join_rules", "join_rule") == "invite", alias
    assert room.get("m.room.history_visibility",
                    "history_visibility") == "shared", alias
    assert room.get("m.room.guest_access",
                    "guest_access") == "forbidden", alias
    assert room.get("m.room.canonical_alias", "alias") == \
        f"#{alias}:{DOMAIN}", alias
    assert room.get("m.room.name", "name"), f"{alias} has no name"


def check_world(eyes, rooms=None, spaces=None, children=None):
    """All rooms and spaces of the bot are these and no others (DMs of the bot
    with people have no alias and are left out)."""
    rooms = ROOMS if rooms is None else rooms
    spaces = SPACES if spaces is None else spaces
    children = CHILDREN if children is None else children
    found = {}
    for room_id in eyes.my_rooms():
        room = eyes.room(room_id)
        alias = room.get("m.room.canonical_alias", "alias")
        markers = room.keys("io.hiclaw.object")
        assert len(markers) == 1, f"{room_id} {alias}: markers {markers}"
        if alias:
            local = alias[1:].split(":")[0]
            assert local not in found, f"two rooms are {local}"
            found[local] = room
    assert set(found) == set(rooms) | set(spaces)
    for alias, members in rooms.items():
        check_room(found[alias], alias, members)
        assert found[alias].get("m.room.create", "type") is None
    for alias, members in spaces.items():
        check_room(found[alias], alias, members)
        assert found[alias].get("m.room.create", "type") == "m.space"
    for alias, below in children.items():
        assert found[alias].keys("m.space.child") == \
            {found[b].id for b in below}, f"children of {alias}"
    return found
