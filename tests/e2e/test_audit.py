"""The history of the admin room as evidence: what is tampered with is named, and
changes are taken back."""
import json
import sqlite3
import time

import pytest
from client import Api, eventually, quote
from conftest import running_stack
from stack import DOMAIN

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s}
spec: {model: %s}
"""


@pytest.fixture
def house(template):
    for s in running_stack(template):
        for i in range(4):
            s.apply(WORKER % ("ann", f"m{i}"))
        s.settle()
        yield s


@pytest.fixture
def bot(house):
    """Whoever stole the token of the service."""
    return Api(house.hs.url, house.as_token, house.bot)


def verify(house):
    return house.admin.ask(house.room, "@hiclaw audit verify",
                           states=("done", "failed", "refused"))


def receipts(house):
    """{seq: event} of the room's real history."""
    out = {}
    for e in house.admin.history(house.room):
        seq = e["content"].get("io.hiclaw.receipt", {}).get("seq")
        if seq and e["sender"] == house.bot:
            out[seq] = e
    return out


def broken(house, *words):
    got = verify(house)
    assert got.state == "failed", got
    first = next(x for x in got.body.splitlines() if "receipt" in x)
    assert all(w in first for w in words), got.body
    return got


def send(api, room, content, kind="m.room.message"):
    return api.put(f"/rooms/{quote(room)}/send/{kind}/{time.time_ns()}",
                   content)["event_id"]


def test_whole(house):
    got = verify(house)
    assert got.state == "done" and "4 receipts" in got.body, got


def test_redacted(house):
    event = receipts(house)[2]["event_id"]
    house.admin.put(f"/rooms/{quote(house.room)}/redact/{quote(event)}/x", {})
    broken(house, "receipt 2 was removed", f"@admin:{DOMAIN}", event)


def test_edited(house, bot):
    event = receipts(house)[3]
    new = {"msgtype": "m.notice", "body": "nothing happened",
           "io.hiclaw.receipt": event["content"]["io.hiclaw.receipt"]}
    send(bot, house.room, {
        "msgtype": "m.notice", "body": "* nothing happened",
        "m.new_content": new, "m.relates_to": {
            "rel_type": "m.replace", "event_id": event["event_id"]}})
    broken(house, "receipt 3", "was edited by", event["event_id"])


def test_inserted(house):
    fake = dict(receipts(house)[2]["content"]["io.hiclaw.receipt"],
                title="apply Human/mallory")
    event = house.admin.send(house.room, {
        "msgtype": "m.text", "body": "look, a receipt",
        "io.hiclaw.receipt": fake})
    broken(house, "put into the room by", f"@admin:{DOMAIN}", event)


def test_row_deleted(house):
    house.controller.stop()
    db = sqlite3.connect(house.controller.database)
    db.execute("DELETE FROM receipt WHERE seq = 2")
    db.commit()
    db.close()
    house.controller.start()
    broken(house, "receipt 2 is missing in the database")


def test_truncated(house):
    last = receipts(house)[4]["event_id"]
    house.controller.stop()
    db = sqlite3.connect(house.controller.database)
    db.execute("DELETE FROM receipt WHERE seq > 3")
    db.commit()
    db.close()
    house.controller.start()
    broken(house, "receipt 4 is in the room", last, "not in the database")


def test_back(house):
    """history, rollback, undo by a reply, as a person does it."""
    told = house.ask("@hiclaw history worker ann").body
    assert told.count("model") >= 3, told
    oldest = min(int(x.split("**")[1]) if "**" in x else
                 int(x.split()[1]) for x in told.splitlines()
                 if x.startswith("- "))
    got = house.ask(f"@hiclaw rollback worker ann {oldest}")
    assert got.state == "done", got

    def model():
        return house.ask("!hiclaw get worker ann -o yaml").body
    assert "m0" in model()
    reply = eventually(lambda: receipts(house).get(5), 20, what="receipt 5")
    event = house.admin.send(house.room, {
        "msgtype": "m.text", "body": "undo", "m.relates_to": {
            "m.in_reply_to": {"event_id": reply["event_id"]}}})
    got = house.admin.answer(house.room, event)
    assert got.state == "done" and "undo 5" in got.body, got
    assert "m3" in model()
    # Not everything that the bot says is a receipt.
    said = house.ask("@hiclaw version")
    event = house.admin.send(house.room, {
        "msgtype": "m.text", "body": "undo", "m.relates_to": {
            "m.in_reply_to": {"event_id": said.forms[-1][0]["event_id"]}}})
    got = house.admin.answer(house.room, event)
    assert got.state == "refused" and "no receipt" in got.body, got
    # What is gone comes back, with its room and account.
    room = house.eyes.resolve("hiclaw_worker_ann")
    assert room
    event = house.admin.send(house.room, "@hiclaw delete worker ann")
    assert house.admin.answer(house.room, event).state == "question"
    house.admin.send(house.room, "yes")
    gone = eventually(lambda: receipts(house).get(7), 30, what="receipt 7")
    assert gone["content"]["io.hiclaw.receipt"]["deleted"], gone
    got = house.ask("@hiclaw undo 7")
    assert got.state == "done", got
    assert "m3" in model()
    found = house.ask("@hiclaw audit ann 1h").body
    assert "undo 7" in found and "rollback" in found, found


def test_export(house):
    event = house.admin.send(house.room, "@hiclaw audit export")
    house.admin.answer(house.room, event)

    def files():
        house.admin.sync()
        return {c["filename"]: c["url"] for _, c, _ in
                house.admin.from_bot(house.room) if "filename" in c and
                c["filename"].startswith("audit.")}
    got = eventually(lambda: len(files()) == 2 and files(), 20,
                     what="two files")
    server, media = got["audit.jsonl"][len("mxc://"):].split("/")
    _, _, raw = house.admin.raw(
        "GET", f"/_matrix/client/v1/media/download/{server}/{media}")
    lines = [json.loads(x) for x in raw.decode().splitlines()]
    assert [x["seq"] for x in lines] == [1, 2, 3, 4]
    known = receipts(house)
    assert all(known[x["seq"]]["event_id"] == x["event"] for x in lines)
