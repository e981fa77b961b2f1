"""Commands in the admin room and in a DM with the bot."""
import json
import time
import urllib.request

import pytest
from client import REPLY, eventually, quote
from expect import agent, person

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s, labels: {%s}}
spec: {model: %s}
"""


@pytest.fixture(scope="module")
def crew(stack):
    stack.apply(WORKER % ("ann", "shift: day", "small"))
    stack.settle()
    return stack


@pytest.fixture(scope="module")
def dm(crew):
    """A DM that the admin opens with the bot."""
    room = crew.admin.post("/createRoom", {
        "is_direct": True, "preset": "trusted_private_chat",
        "room_version": "11", "invite": [crew.bot]})["room_id"]
    eventually(lambda: crew.bot in crew.admin.get(
        f"/rooms/{quote(room)}/joined_members")["joined"], 15,
        what="the bot in the DM")
    return room


@pytest.mark.parametrize("form", [
    "@hiclaw get workers", "!hiclaw get workers", "hiclaw: get workers",
    "@hiclaw:hiclaw.localhost get workers", "@HiClaw Get Worker",
    "[@hiclaw:hiclaw.localhost](https://matrix.to/#/@hiclaw:hiclaw.localhost)"
    " get wk", "!hiclaw get worker ann", "!hiclaw get worker/ann"])
def test_address(crew, form):
    reply = crew.ask(form)
    assert reply.state == "info", reply
    assert "ann" in reply.body


def test_get_forms(crew):
    yaml = crew.ask("!hiclaw get worker ann -o yaml").body
    assert "kind: Worker" in yaml and "name: ann" in yaml
    text = crew.ask("!hiclaw get worker ann -o json").body
    start = text.index("{")
    assert json.loads(text[start:text.rindex("}") + 1])["kind"] == "Worker"
    assert "small" in crew.ask("!hiclaw get workers -o wide").body
    # Phones write dashes like this.
    assert "kind: Worker" in crew.ask("!hiclaw get worker ann —o yaml").body \
        or "kind: Worker" in crew.ask("!hiclaw get worker ann –o yaml").body


@pytest.mark.parametrize("command,word", [
    ("describe worker ann", "ann"), ("status", ""), ("events", ""),
    ("explain worker.spec.model", "model"), ("whoami", "admin"),
    ("help", "apply"), ("help delete", "delete"), ("version", "0."),
    ("get worker", "ann")])
def test_reading_commands(crew, command, word):
    written = crew.written(lambda: check(crew, command, word))
    assert written == []


def check(crew, command, word):
    reply = crew.ask("@hiclaw " + command)
    assert reply.state == "info", reply
    assert word in reply.body
    assert "<" not in reply.body.replace("<worker>", "") or word != ""


def test_unknown_command_and_name(crew):
    reply = crew.ask("@hiclaw desribe worker ann")
    assert reply.state in ("refused", "failed"), reply
    assert "describe" in reply.body
    reply = crew.ask("@hiclaw get worker an")
    assert reply.state in ("refused", "failed"), reply
    assert "ann" in reply.body


def test_plan_is_dry(crew):
    text = "@hiclaw plan\n```yaml" + WORKER % ("dry", "shift: day", "small") \
        + "```"

    def do():
        reply = crew.ask(text)
        assert reply.state == "info", reply
        assert "dry" in reply.body
    assert crew.written(do) == []
    assert crew.eyes.resolve("hiclaw_worker_dry") is None


def test_diff(crew):
    reply = crew.ask("@hiclaw diff\n```yaml"
                     + WORKER % ("ann", "shift: day", "large") + "```")
    assert reply.state == "info", reply
    assert "large" in reply.body and "small" in reply.body


def test_unaddressed_talk_is_left_alone(crew):
    crew.settle()
    event = crew.admin.send(crew.room, "good morning everybody")
    time.sleep(2)
    crew.admin.sync()
    assert not crew.admin.forms(crew.room, event)


def test_bare_manifest_and_attachment(crew):
    event = crew.admin.send(crew.room, (
        WORKER % ("bare", "shift: night", "small")).strip())
    assert crew.admin.answer(crew.room, event).state == "done"
    event = crew.admin.attach(crew.room, (
        WORKER % ("filed", "shift: night", "small")).encode(), "filed.yaml")
    assert crew.admin.answer(crew.room, event).state == "done"
    assert agent("filed") in crew.eyes.by_alias("hiclaw_worker_filed").joined


def test_apply_with_reply_to_a_manifest(crew):
    stranger = crew.person("stranger")
    event = crew.admin.send(crew.room, {
        "msgtype": "m.text", "body": "for later:\n"
        "spec, and so on"})
    del stranger
    reply = crew.admin.answer(crew.room, crew.admin.send(crew.room, {
        "msgtype": "m.text", "body": "@hiclaw apply",
        "m.relates_to": {"m.in_reply_to": {"event_id": event}}}))
    assert reply.state in ("refused", "failed", "info"), reply


def test_no_keeps_and_yes_deletes(crew):
    reply = crew.ask("@hiclaw delete worker bare")
    assert reply.state == "question" and reply.question
    crew.ask("no")
    assert crew.eyes.resolve("hiclaw_worker_bare")
    reply = crew.ask("@hiclaw delete worker/bare")
    assert reply.state == "question"
    assert crew.ask("yes").state == "done"
    assert crew.eyes.resolve("hiclaw_worker_bare") is None


def test_tap_is_an_answer(crew):
    crew.apply(WORKER % ("tapped", "shift: night", "small"))
    event = crew.admin.send(crew.room, "@hiclaw delete worker tapped")
    reply = crew.admin.answer(crew.room, event)
    assert reply.state == "question"
    crew.admin.send(crew.room, {"m.relates_to": {
        "rel_type": "m.annotation", "event_id": reply.event_id,
        "key": "\u2705\ufe0f"}}, "m.reaction")
    eventually(lambda: crew.eyes.resolve("hiclaw_worker_tapped") is None, 30,
               what="the deletion after a tap")


def test_question_of_another_cannot_be_answered(crew):
    """A yes without an open question of one's own does nothing."""
    crew.settle()
    event = crew.admin.send(crew.room, "yes")
    time.sleep(2)
    crew.admin.sync()
    assert all(f[2]["state"] != "done"
               for f in crew.admin.forms(crew.room, event))


def test_question_survives_restart(crew):
    crew.apply(WORKER % ("patient", "shift: night", "small"))
    reply = crew.ask("@hiclaw delete worker patient")
    assert reply.state == "question"
    assert crew.controller.stop() == 0
    crew.controller.start()
    assert crew.ask("yes").state == "done"
    assert crew.eyes.resolve("hiclaw_worker_patient") is None


def test_prune(crew):
    crew.apply(WORKER % ("keep", "shift: early", "small") + "---"
               + WORKER % ("drop", "shift: early", "small"))
    reply = crew.ask("@hiclaw apply --prune -l shift=early\n```yaml"
                     + WORKER % ("keep", "shift: early", "small") + "```")
    assert reply.state == "question", reply
    assert "drop" in reply.body
    assert crew.ask("yes").state == "done"
    assert crew.eyes.resolve("hiclaw_worker_drop") is None
    assert crew.eyes.resolve("hiclaw_worker_keep")
    assert crew.eyes.resolve("hiclaw_worker_ann"), "outside the selector"


def test_dm(crew, dm):
    reply = crew.admin.ask(dm, "get workers")
    assert reply.state == "info" and "ann" in reply.body
    reply = crew.admin.ask(dm, "whoami")
    assert "admin" in reply.body
    event = crew.admin.paste(dm, WORKER % ("from-dm", "shift: day", "small"))
    assert crew.admin.answer(dm, event).state == "done"
    assert crew.eyes.resolve("hiclaw_worker_from-dm")


def test_stranger_is_refused_once(crew):
    """A stranger cannot get the bot into a room."""
    stranger = crew.person("stranger")
    room = stranger.post("/createRoom", {
        "is_direct": True, "preset": "private_chat", "room_version": "11",
        "invite": [crew.bot]})["room_id"]

    def turned_down():
        e = stranger.get(f"/rooms/{quote(room)}/state/m.room.member/"
                         + quote(crew.bot))
        return e["membership"] == "leave"
    eventually(turned_down, 15, what="the refusal")


def test_unknown_person_in_a_known_room_is_refused_once(crew):
    """Somebody without rights who sits in a room with the bot hears the rule
    once and is then left alone."""
    guest = crew.new_person("guest")
    room = crew.admin.post("/createRoom", {
        "preset": "private_chat", "room_version": "11",
        "invite": [crew.bot, guest.me]})["room_id"]
    guest.post(f"/rooms/{quote(room)}/join")
    eventually(lambda: crew.bot in crew.admin.get(
        f"/rooms/{quote(room)}/joined_members")["joined"], 15)
    first = guest.send(room, "@hiclaw delete worker ann")
    reply = guest.answer(room, first, 20)
    assert reply.state == "refused", reply
    second = guest.send(room, "@hiclaw delete worker ann")
    time.sleep(3)
    guest.sync()
    assert len(guest.forms(room, second)) == 0
    assert crew.eyes.resolve("hiclaw_worker_ann")


def test_replayed_transaction(crew):
    """The same events under another transaction id have no effect."""
    event = crew.admin.send(crew.room, "@hiclaw version")
    crew.admin.answer(crew.room, event)
    crew.settle()
    sent = crew.admin.get(f"/rooms/{quote(crew.room)}/event/{quote(event)}")
    sent["room_id"] = crew.room
    before = len(crew.admin.forms(crew.room, event))
    for txn in ("again1", "again1", "again2"):
        req = urllib.request.Request(
            f"{crew.controller.url}/_matrix/app/v1/transactions/{txn}",
            method="PUT", data=json.dumps({"events": [sent]}).encode(),
            headers={"Authorization": "Bearer " + crew.hs_token})
        assert urllib.request.urlopen(req, timeout=10).status == 200
    time.sleep(2)
    crew.admin.sync()
    assert len(crew.admin.forms(crew.room, event)) == before


def test_answers_carry_no_secrets(crew):
    everything = json.dumps(crew.admin.history(crew.room))
    for secret in (crew.as_token, crew.hs_token, crew.hs.shared_secret):
        assert secret not in everything
        assert secret not in crew.controller.log.read_text(errors="replace")


def test_every_answer_is_marked_and_plain(crew):
    for e, content, _ in crew.admin.from_bot(crew.room):
        assert content["msgtype"] in ("m.notice", "m.text", "m.file"), content
        assert "m.mentions" in e["content"], content
    assert any(REPLY in c for _, c, _ in crew.admin.from_bot(crew.room))
