"""What somebody changes behind our back is put right at once, and the admin
room gets one line about it."""
import shutil
import time

import pytest
import stack as stacks
from client import eventually, quote
from expect import ADMIN, ALICE, DAN, agent, person
from stack import DOMAIN

WITHIN_S = 2.0


def report(stack, since, *words):
    """The bot's line in the admin room since then that has all the words."""
    def look():
        stack.admin.sync()
        for e, c, is_edit in stack.admin.from_bot(stack.room):
            if e["origin_server_ts"] >= since and not is_edit and \
                    all(w.lower() in c["body"].lower() for w in words):
                return c["body"]
        return None
    return eventually(look, 15, what=f"a line with {words}")


def repaired(stack, do, test, within=WITHIN_S):
    """Break something, return how long it stayed broken."""
    stack.settle()
    do()
    start = time.time()
    eventually(test, 15, 0.02, "the repair")
    took = time.time() - start
    assert took < within, f"repaired after {took:.2f} s"
    return int(start * 1000) - 1000


def state_put(stack, room, kind, content, key=""):
    stack.admin.put(f"/rooms/{quote(room)}/state/{kind}/{quote(key)}", content)


@pytest.fixture(scope="module")
def worker(sample):
    """The id of a room in which the admin has power 100."""
    return sample.eyes.resolve("hiclaw_worker_devops-dan")


def test_kicked_agent_returns(sample, worker):
    t = repaired(
        sample, lambda: sample.admin.post(
            f"/rooms/{quote(worker)}/kick", {"user_id": DAN}),
        lambda: DAN in sample.eyes.room(worker).joined)
    line = report(sample, t, "devops-dan", "admin")
    assert line.count("\n") == 0, line


def test_banned_agent_returns(sample, worker):
    repaired(
        sample, lambda: sample.admin.post(
            f"/rooms/{quote(worker)}/ban", {"user_id": DAN}),
        lambda: DAN in sample.eyes.room(worker).joined)


def test_power_is_taken_back(sample, worker):
    power = sample.eyes.room(worker).power
    power["users"][person("stranger")] = 90
    t = repaired(
        sample,
        lambda: state_put(sample, worker, "m.room.power_levels", power),
        lambda: person("stranger") not in
        sample.eyes.room(worker).power["users"])
    assert sample.eyes.room(worker).power["users"][ADMIN] == 100
    report(sample, t, "devops-dan", "admin", "power")


def test_name_comes_back(sample, worker):
    name = sample.eyes.room(worker).get("m.room.name", "name")
    t = repaired(
        sample, lambda: state_put(sample, worker, "m.room.name",
                                  {"name": "Mine now"}),
        lambda: sample.eyes.room(worker).get("m.room.name", "name") == name)
    report(sample, t, "devops-dan", "name")


def test_alias_comes_back(sample, worker):
    alias = f"#hiclaw_worker_devops-dan:{DOMAIN}"
    repaired(
        sample, lambda: state_put(sample, worker,
                                  "m.room.canonical_alias", {}),
        lambda: sample.eyes.room(worker).get(
            "m.room.canonical_alias", "alias") == alias)


def test_stranger_is_shown_out(sample, worker):
    stranger = sample.person("stranger")

    def let_in():
        sample.admin.post(f"/rooms/{quote(worker)}/invite",
                          {"user_id": stranger.me})
    repaired(sample, let_in, lambda: stranger.me not in
             sample.eyes.room(worker).inside)


@pytest.mark.parametrize("kind,content", [
    ("m.room.join_rules", {"join_rule": "public"}),
    ("m.room.history_visibility", {"history_visibility": "world_readable"}),
    ("m.room.guest_access", {"guest_access": "can_join"}),
    ("m.room.topic", {"topic": "Nothing here"}),
    ("m.room.avatar", {"url": "mxc://hiclaw.localhost/none"}),
])
def test_state_comes_back(sample, worker, kind, content):
    # The one member that counts: Synapse adds others when it makes a room.
    field = next(iter(content))
    before = sample.eyes.room(worker).get(kind, field)
    repaired(sample, lambda: state_put(sample, worker, kind, content),
             lambda: sample.eyes.room(worker).get(kind, field) == before)


def test_space_child_comes_back(sample, worker):
    space = sample.eyes.resolve("hiclaw_space")
    assert worker in sample.eyes.room(space).keys("m.space.child")
    repaired(sample, lambda: state_put(sample, space, "m.space.child", {},
                                       worker),
             lambda: worker in sample.eyes.room(space).keys("m.space.child"))


def test_person_who_left_is_not_dragged_back(sample, worker):
    """People may go; they are asked in again when an admin says so."""
    sample.settle()
    sample.admin.post(f"/rooms/{quote(worker)}/leave")
    time.sleep(3)
    assert ADMIN not in sample.eyes.room(worker).inside
    # The admin may come back through the bot: by DM or in the admin room.
    reply = sample.ask("@hiclaw invite me worker devops-dan")
    if reply.state in ("done", "info"):
        eventually(lambda: sample.admin.accept() or ADMIN in
                   sample.eyes.room(worker).inside, 10)


def test_drift_while_we_were_away(sample):
    """Found by the sync at the next start."""
    team = sample.eyes.resolve("hiclaw_manager_default")
    name = sample.eyes.room(team).get("m.room.name", "name")
    sample.settle()
    assert sample.controller.stop() == 0
    state_put(sample, team, "m.room.name", {"name": "Behind your back"})
    sample.controller.start()
    eventually(lambda: sample.eyes.room(team).get("m.room.name", "name")
               == name, 15, what="the repair after the start")


def test_fight_backs_off(sample):
    """Somebody's bot that undoes every repair does not get us to spin."""
    room = sample.eyes.resolve("hiclaw_manager_default")
    sample.settle()
    sample.proxy.clear()
    start = int(time.time() * 1000) - 1000
    end, fights = time.time() + 12, 0
    name = sample.eyes.room(room).get("m.room.name", "name")
    while time.time() < end:
        if sample.eyes.room(room).get("m.room.name", "name") == name:
            state_put(sample, room, "m.room.name", {"name": f"No {fights}"})
            fights += 1
        time.sleep(0.05)
    repairs = [c for c in sample.proxy.writes()
               if c.name == "PUT rooms/R/state/m.room.name"]
    assert 2 <= len(repairs) <= 20, len(repairs)
    lines = [c["body"] for e, c, is_edit in sample.admin.from_bot(sample.room)
             if e["origin_server_ts"] >= start and not is_edit]
    sample.admin.sync()
    assert len(lines) <= 12, lines


def test_files_at_once(template):
    """Not at the next look, which is ten minutes away: what somebody does to a
    file of ours is heard."""
    s = stacks.Stack(template=template, extra={"engine": {"resync": 600}})
    try:
        s.start()
        s.room
        s.apply("apiVersion: hiclaw.io/v1beta1\nkind: Worker\n"
                "metadata: {name: fay}\nspec: {model: m, soul: Fay.}\n")
        home = s.controller.storage / "agents" / "fay"
        soul = home / "SOUL.md"
        for do in (soul.unlink, lambda: soul.write_text("Eve."),
                   # Files come back while others still go.
                   lambda: shutil.rmtree(home, ignore_errors=True)):
            s.settle()
            do()
            eventually(lambda: soul.exists() and "Fay." in soul.read_text(),
                       10, what="SOUL.md is put right")
    finally:
        s.stop()
