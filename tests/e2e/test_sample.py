"""One pasted message becomes the sample team, exactly."""
import re

import client
import expect
from client import eventually, quote
from expect import (ADMIN, AGENTS, ALICE, BOB, DAN, LEAD, MANAGER, OLIVIA, PM,
                    VICTOR)
from stack import DOMAIN


def test_converges(sample):
    expect.check_world(sample.eyes)


def test_names_tell_what_rooms_are(sample):
    for alias, word in (("hiclaw_team_frontend", "frontend"),
                        ("hiclaw_worker_alice", "alice"),
                        ("hiclaw_worker_devops-dan", "devops-dan"),
                        ("hiclaw_leader_frontend", "frontend"),
                        ("hiclaw_manager_default", "default"),
                        ("hiclaw_leaderdm_frontend", "frontend")):
        room = sample.eyes.by_alias(alias)
        name = room.get("m.room.name", "name").lower()
        topic = (room.get("m.room.topic", "topic") or "").lower()
        assert word in name + " " + topic, (alias, name, topic)


def test_agents_have_accounts(sample):
    for user in AGENTS:
        who = sample.eyes.get("/account/whoami", user_id=user)
        assert who["user_id"] == user
        devices = sample.eyes.get("/devices", user_id=user)["devices"]
        assert len(devices) == 1, f"{user}: {devices}"


def test_agents_are_in_no_other_rooms(sample):
    for user in AGENTS:
        mine = {expect_id for alias, members in expect.ROOMS.items()
                if user in members
                for expect_id in [sample.eyes.resolve(alias)]}
        assert set(sample.eyes.rooms_of(user)) == mine, user


def test_souls_are_written(sample):
    for name in ("default", "frontend-lead", "alice", "bob", "devops-dan"):
        soul = sample.controller.storage / "agents" / name / "SOUL.md"
        assert soul.is_file() and soul.read_text().strip(), soul


def test_reply_is_one_live_message(sample):
    """One message, edited on the way, that reads well without HTML."""
    admin = sample.admin
    done = [(e, c) for e, c, _ in admin.from_bot(sample.room)
            if (c.get(client.REPLY) or {}).get("state") == "done"]
    assert done
    content = done[0][1]
    assert content["msgtype"] == "m.notice"
    assert "<" not in content["body"]
    allowed = set("p br b i del code pre ul ol li a blockquote".split())
    tags = set(re.findall(r"</?([a-z0-9]+)", content.get("formatted_body", "")))
    assert tags <= allowed, tags - allowed
    assert "m.mentions" in content


def test_apply_again_writes_nothing(sample):
    before = sample.controller.metrics()['hiclaw_http_calls_total{kind="write"}']

    def again():
        reply = sample.apply(expect.SAMPLE)
        assert reply.state in ("done", "info"), reply
    assert sample.written(again) == []
    after = sample.controller.metrics()['hiclaw_http_calls_total{kind="write"}']
    # Our own count agrees, but for the answer itself.
    said = [c for c in sample.proxy.calls
            if c.method == "PUT" and "/send/" in c.path]
    assert after - before <= len(said) + 1
    expect.check_world(sample.eyes)


def test_restart_writes_nothing(sample):
    def restart():
        assert sample.controller.stop() == 0
        sample.controller.start()
        sample.settle()
    names = [n for n in sample.written(restart)
             # hello: the bot, its device, and one event that wakes the queue
             if n not in ("POST register", "PUT devices/D",
                          "PUT rooms/R/state/io.hiclaw.controller")]
    assert names == []
    expect.check_world(sample.eyes)


def passwords(stack, room):
    """{user id: password} as told in a DM."""
    out = {}
    for _, content, _ in stack.admin.from_bot(room):
        body = content["body"]
        user = re.search(rf"@[a-z0-9-]+:{re.escape(DOMAIN)}", body)
        word = re.search(r"[Pp]assword:?\s+(\S+)", body)
        if user and word:
            out[user[0]] = word[1]
    return out


def dm_rooms(stack):
    """Rooms of the admin with the bot alone."""
    out = []
    for room_id in stack.eyes.my_rooms():
        room = stack.eyes.room(room_id)
        if room.inside == {stack.bot, stack.admin.me} and \
                not room.get("m.room.canonical_alias", "alias"):
            out.append(room_id)
    return out


def test_people_got_accounts_and_passwords(sample):
    """Told once, in a DM, to the one who asked; gone once it was read."""
    dms = eventually(lambda: dm_rooms(sample), 20, what="a DM with the admin")
    assert len(dms) == 1, "more than one DM"
    dm = dms[0]
    sample.admin.accept()

    def told():
        sample.admin.sync()
        got = passwords(sample, dm)
        return got if set(got) == {OLIVIA, PM, VICTOR} else None
    got = eventually(told, 20, what="the passwords in the DM")
    for user, password in got.items():
        who = client.login(sample.hs.url, user, password)
        sample.people[user[1:].split(":")[0]] = client.Person(
            sample.hs.url, user, who["access_token"], sample.bot)
    # Nowhere else, and not in the log.
    log = sample.controller.log.read_text(errors="replace")
    said = "".join(c["body"] for _, c, _ in sample.admin.from_bot(sample.room))
    for password in got.values():
        assert password not in log
        assert password not in said
    newest = [e for e, _, _ in sample.admin.from_bot(dm)][-1]["event_id"]
    sample.admin.post(f"/rooms/{quote(dm)}/receipt/m.read/{quote(newest)}")

    def gone():
        return not [e for e in sample.admin.history(dm)
                    if any(p in str(e["content"]) for p in got.values())]
    # A receipt is seen by the next resync; then they stay half a minute.
    eventually(gone, 90, 0.5, "redaction of the passwords")


def test_people_can_come_in(sample):
    """Accepting the invitations leads to the same rooms."""
    for name in ("olivia", "pm-zhang", "victor"):
        if name in sample.people:
            assert sample.people[name].accept() > 0
    sample.settle()
    expect.check_world(sample.eyes)
    team = sample.eyes.by_alias("hiclaw_team_frontend")
    assert {PM, OLIVIA, LEAD, ALICE, BOB} <= team.joined
    assert {MANAGER, DAN, VICTOR, ADMIN}.isdisjoint(team.inside)
