"""Guards: freeze, floods, pasted secrets, drift that is adopted or ignored, and
nobody locks the controller or the last admin out."""
import json
import time

import pytest
import stack as stacks
from client import REPLY, eventually, quote
from conftest import running_stack
from expect import agent
from rest import Rest
from stack import DOMAIN

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s}
spec: {model: small}
"""
REST_TOKEN = "f" * 40


@pytest.fixture(scope="module")
def house(template):
    for s in running_stack(template, {
            "api": {"admin_token": REST_TOKEN}, "chat": {"rate": 600}}):
        s.apply(WORKER % "ann")
        s.settle()
        yield s


@pytest.fixture(scope="module")
def rest(house):
    return Rest(f"http://127.0.0.1:{house.ctl_port}", REST_TOKEN)


def said(stack, since, *words):
    """The bot's line in the admin room since then that has all the words."""
    def look():
        stack.admin.sync()
        for e, c, is_edit in stack.admin.from_bot(stack.room):
            if e["origin_server_ts"] >= since and not is_edit and \
                    all(w.lower() in c["body"].lower() for w in words):
                return e, c["body"]
        return None
    return eventually(look, 25, what=f"a line with {words}")


def now_ms():
    return int(time.time() * 1000) - 500


# --- freeze ------------------------------------------------------------------

def test_freeze(house, rest):
    room = house.eyes.resolve("hiclaw_worker_ann")
    reply = house.ask("@hiclaw freeze moving the house for 2h")
    assert reply.state == "done" and "moving the house" in reply.body, reply
    assert "moving the house" in house.ask("@hiclaw status").body
    got = rest.get("/status")
    assert got["frozen"] is True and "moving" in got["frozenWhy"]
    assert house.controller.metric("hiclaw_frozen") == 1
    refused = house.admin.ask(house.room, WORKER % "bob")
    assert refused.state == "refused" and "thaw" in refused.body, refused
    status, body = rest.ask("PUT", "/workers/ann", {"name": "ann",
                                                    "model": "big"})
    assert status == 423 and "moving the house" in body["message"], body
    plan = house.ask("@hiclaw plan\n" + WORKER % "bob")
    assert plan.state == "info" and "Frozen by" in plan.body, plan
    for command in ("sleep ann", "rotate ann", "restart ann"):
        assert house.ask("@hiclaw " + command).state == "refused", command

    def drift():
        house.admin.put(f"/rooms/{quote(room)}/state/m.room.name/",
                        {"name": "mine"})
        house.admin.post(f"/rooms/{quote(room)}/kick",
                         {"user_id": agent("ann")})
        time.sleep(4)

    assert house.written(drift) == []
    # Over a restart, too.
    house.controller.stop()
    house.controller.start()
    time.sleep(3)
    assert house.eyes.room(room).get("m.room.name", "name") == "mine"
    assert "Frozen by" in house.ask("@hiclaw status").body
    since = now_ms()
    assert house.ask("@hiclaw thaw").state == "done"
    eventually(lambda: agent("ann") in house.eyes.room(room).joined, 20,
               what="the worker back in its room")
    eventually(lambda: house.eyes.room(room).get("m.room.name", "name") !=
               "mine", 20, what="the name")
    _, line = said(house, since, "After the freeze")
    assert "worker/ann" in line, line
    lines = [c["body"] for e, c, _ in house.admin.from_bot(house.room)
             if e["origin_server_ts"] >= since and
             "was put right" in c["body"]]
    assert len(lines) == 1, lines
    assert house.ask("@hiclaw thaw").state in ("refused", "failed")
    assert house.admin.ask(house.room, WORKER % "bob").state == "done"


def test_freeze_ends_by_itself(house):
    since = now_ms()
    assert house.ask("@hiclaw freeze for 2s").state == "done"
    said(house, since, "Thawed")
    assert house.controller.metric("hiclaw_frozen") == 0


def test_freeze_fails_closed(house):
    """What cannot be read is a freeze."""
    import sqlite3
    house.controller.stop()
    db = sqlite3.connect(house.controller.database)
    db.execute("INSERT OR REPLACE INTO kv (key, value) VALUES "
               "('ops.freeze', '{\"by\":')")
    db.commit()
    db.close()
    house.controller.start()
    assert "cannot be read" in house.ask("@hiclaw status").body
    assert house.admin.ask(house.room, WORKER % "eve").state == "refused"
    assert house.ask("@hiclaw thaw").state == "done"


# --- floods ------------------------------------------------------------------

def test_flood(template):
    for s in running_stack(template, {"chat": {"rate": 5}}):
        sent = [s.admin.send(s.room, {"msgtype": "m.text",
                                      "body": "@hiclaw version"})
                for _ in range(16)]
        s.admin.answer(s.room, sent[0])
        eventually(lambda: flood_lines(s), 20, what="the limit")
        time.sleep(1.5)
        assert len(flood_lines(s)) == 1
        answers = [c for e, c, _ in s.admin.from_bot(s.room)
                   if "instance" in c["body"]]
        assert 10 <= len(answers) <= 11, answers


def flood_lines(s):
    s.admin.sync()
    return [c for e, c, _ in s.admin.from_bot(s.room)
            if "commands a minute" in c["body"]]


# --- pasted secrets ----------------------------------------------------------

KEY = "sk-" + "proj4Jx9Qm7Lw2Zt8Rv5Kc3B"
SECRET_ENV = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: keyed}
spec:
  model: small
  env: {TZ: Europe/Berlin, OPENAI_API_KEY: %s}
"""


def redacted(stack, event):
    e = stack.admin.get(f"/rooms/{quote(stack.room)}/event/{quote(event)}")
    return "body" not in e["content"]


def all_texts(stack):
    """Everything that the bot says, the log, and the database's own text."""
    import sqlite3
    said = str([(e["content"]) for e in stack.admin.history(stack.room)])
    db = sqlite3.connect(stack.controller.database)
    tables = [t for t, in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = str([row for t in tables
                for row in db.execute(f"SELECT * FROM \"{t}\"")])
    db.close()
    return said + stack.controller.log.read_text(errors="replace") + rows


def test_pasted_secret(house):
    since = now_ms()
    sent = house.admin.paste(house.room, SECRET_ENV % KEY)
    reply = eventually(lambda: [
        c for e, c, _ in house.admin.from_bot(house.room)
        if e["origin_server_ts"] >= since and "**" not in c["body"] and
        "secret in your message" in c["body"]] or house.admin.sync() and None,
        15, what="the word about the secret")
    assert len(reply) == 1
    eventually(lambda: redacted(house, sent), 15, what="the redaction")
    eventually(lambda: "name: keyed" in house.ask(
        "@hiclaw get worker keyed -o yaml").body, 15, what="the worker")
    yaml = house.ask("@hiclaw get worker keyed -o yaml").body
    assert "$sealed." in yaml and KEY not in yaml, yaml
    house.settle()      # else the paste has something to do, too
    # It is kept as it is by an apply of what was printed ...
    manifest = yaml[yaml.index("apiVersion"):].split("```")[0]
    again = house.admin.ask(house.room, manifest)
    assert again.state == "done" and "Nothing to do" in again.body, again
    # ... and means nothing in another one.
    other = house.admin.ask(house.room, manifest.replace("keyed", "thief"))
    assert other.state == "refused" and "no such sealed" in other.body, other
    time.sleep(1)
    assert KEY not in all_texts(house)


def test_pasted_where_none_can_be(house):
    sent = house.admin.paste(house.room, f"""
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {{name: wordy}}
spec: {{model: small, soul: "use {KEY} well"}}
""")
    reply = eventually(lambda: house.admin.answer(house.room, sent), 20)
    eventually(lambda: redacted(house, sent), 15, what="the redaction")
    assert KEY not in all_texts(house), reply
    broken = house.admin.paste(house.room, "kind: Worker\nmetadata: {name: x\n"
                               f"spec: {{env: {{A: {KEY}}}\n")
    eventually(lambda: redacted(house, broken), 15, what="the redaction")
    word = house.admin.send(house.room, {
        "msgtype": "m.text", "body": f"@hiclaw remember {KEY}"})
    eventually(lambda: redacted(house, word), 15, what="the redaction")
    time.sleep(1)
    assert KEY not in all_texts(house)


def test_no_secret(house):
    """What only looks like one stays."""
    body = ("@hiclaw describe worker ann sha256:" + "ab12" * 16 + " "
            "0b0c9c4e-7d0e-4a4c-9a70-5d6c3a9d2b11 mxc://d/AbCdEfGhIjKlMnOp")
    sent = house.admin.send(house.room, {"msgtype": "m.text", "body": body})
    house.admin.answer(house.room, sent)
    time.sleep(1)
    assert not redacted(house, sent)


# --- nobody is locked out ----------------------------------------------------

HUMAN = """
apiVersion: hiclaw.io/v1beta1
kind: Human
metadata: {name: second}
spec: {displayName: S, matrixUserId: "@stranger:%s", permissionLevel: %d}
"""


@pytest.fixture
def alone(template):
    """A stack whose settings a test may change."""
    yield from running_stack(template, {"api": {"admin_token": REST_TOKEN}})


def with_admins(s, *names):
    """The controller again, with these in its settings."""
    s.controller.stop()
    settings = json.loads(s.controller.config.read_text())
    settings["admins"] = [f"@{n}:{DOMAIN}" for n in names]
    s.controller.config.write_text(json.dumps(settings))
    s.controller.start()


def test_last_admin(alone):
    """Who of tier 1 is the last to be here is not taken away by anybody."""
    s = alone
    s.apply(HUMAN % (DOMAIN, 1))
    second = s.person("stranger")
    eventually(lambda: second.me in s.eyes.room(s.room).inside, 20,
               what="the invitation")
    second.accept()
    with_admins(s, "tpyo")
    # The second one has come, so the first one goes.
    eventually(lambda: s.admin.me not in s.eyes.room(s.room).inside, 20,
               what="the old admin out")
    for text in ("@hiclaw delete human second", HUMAN % (DOMAIN, 2)):
        reply = second.ask(s.room, text)
        assert reply.state == "refused" and "last admin" in reply.body \
            and "@tpyo" in reply.body, reply
    rest = Rest(f"http://127.0.0.1:{s.ctl_port}", REST_TOKEN)
    status, body = rest.ask("DELETE", "/humans/second")
    assert status == 409 and "last admin" in body["message"], body
    assert s.eyes.room(s.room).power["users"][second.me] == 100
    # With another one who has come there is no harm in it.
    with_admins(s, "admin")
    eventually(lambda: s.admin.me in s.eyes.room(s.room).inside, 20,
               what="the invitation")
    s.admin.accept()
    s.apply(HUMAN % (DOMAIN, 2))
    assert second.me not in s.eyes.room(s.room).inside


def test_admin_stays_until_another_has_come(alone):
    """A slip of the pen in the settings puts nobody out of the admin room; but who
    is taken off the list has nothing to say from that moment on."""
    s = alone
    s.apply(WORKER % "ann")
    question = s.ask("@hiclaw delete worker ann")
    assert question.state == "question", question
    with_admins(s, "newboss")
    eventually(lambda: f"@newboss:{DOMAIN}" in s.eyes.room(s.room).inside,
               20, what="the invitation")
    eventually(lambda: "the last person who can run this room" in
               s.controller.log.read_text(), 20, what="the refusal")
    s.settle()
    room = s.eyes.room(s.room)
    assert s.admin.me in room.joined
    assert room.power["users"] == {s.admin.me: 100}
    refused = s.ask("@hiclaw sleep ann")
    assert refused.state == "refused" and "newboss" in refused.body, refused
    since = now_ms()
    s.admin.send(s.room, "yes")
    s.admin.send(s.room, {"m.relates_to": {
        "rel_type": "m.annotation", "event_id": question.event_id,
        "key": "\u2705"}}, kind="m.reaction")
    s.admin.send(s.room, WORKER % "bob")
    time.sleep(3)
    s.admin.sync()
    for e, c, is_edit in s.admin.from_bot(s.room):
        assert is_edit or e["origin_server_ts"] < since + 500 or \
            "not for you to decide" in c["body"], c["body"]
    assert s.eyes.resolve("hiclaw_worker_ann")
    assert s.eyes.resolve("hiclaw_worker_bob") is None
    boss = s.new_person("newboss")
    boss.accept()
    eventually(lambda: s.admin.me not in s.eyes.room(s.room).inside, 20,
               what="the old admin out")
    assert s.eyes.room(s.room).power["users"] == {boss.me: 100}
    assert boss.ask(s.room, "@hiclaw status").state == "info"
