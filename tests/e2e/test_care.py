"""A backup is made and started from; the doctor finds what is wrong."""
import pathlib
import re
import shutil
import time

import pytest
from client import eventually, quote
from conftest import running_stack

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s}
spec: {model: %s}
"""


@pytest.fixture(scope="module")
def house(template):
    for s in running_stack(template):
        s.apply(WORKER % ("ann", "m1"))
        s.settle()
        yield s


def test_doctor(house):
    got = house.ask("@hiclaw doctor")
    assert got.state == "done", got
    for name in ("homeserver: knows us, and reaches us", "directory: answers",
                 "sound", "clock: as the homeserver's", "none is stuck",
                 "1 of 1 in the admin room", "none was ever made"):
        assert name in got.body, (name, got.body)
    assert "0 wrong" in got.body, got.body


def model(house):
    reply = house.ask("@hiclaw get worker ann -o yaml")
    return re.search(r"model: (\S+)", reply.body)[1]


def test_backup_and_restore(house):
    got = house.ask("@hiclaw backup")
    assert got.state == "done" and "Backup made" in got.body, got
    path = pathlib.Path(re.search(r"\S+/backups\S*\.db|\S+\.backups/\S+\.db",
                                  got.body)[0].strip("`"))
    assert path.stat().st_mode & 0o777 == 0o600
    # Nothing of the key is said, and the file does not go into the room.
    key = pathlib.Path(f"{house.controller.database}.key").read_text().strip()
    said = str([e["content"] for e in house.admin.history(house.room)])
    assert key not in said and "m.file" not in said
    was = model(house)
    assert house.ask("@hiclaw set worker ann model=later").state == "done"
    assert house.ask("@hiclaw create worker bob model=m").state == "done"
    house.settle()
    rooms = set(house.eyes.my_rooms())
    ann = house.eyes.resolve("hiclaw_worker_ann")
    assert house.controller.stop() == 0
    # As the message says, in these words.
    block = re.search(r"rm -f (\S+) (\S+)\ncp (\S+) (\S+)", got.body)
    for p in block.group(1, 2):
        pathlib.Path(p).unlink(missing_ok=True)
    shutil.copyfile(block[3], block[4])
    house.controller.start()
    # New messages arrive although the outbox counts again from there.
    assert model(house) == was
    assert "bob" not in house.ask("@hiclaw get workers").body
    house.settle()
    assert house.eyes.resolve("hiclaw_worker_ann") == ann
    assert set(house.eyes.my_rooms()) <= rooms
    # It tells what came after the copy, and the chain goes on after that.
    told = [e["content"] for e, c, _ in house.admin.from_bot(house.room)
            if "started from a backup" in c["body"]]
    assert len(told) == 1 and "2 receipts came after it" in told[0]["body"]
    assert {(v["kind"], v["name"]) for v in
            told[0]["io.hiclaw.receipt"]["deleted"]} == {("Worker", "bob")}
    seq = told[0]["io.hiclaw.receipt"]["seq"]
    # What was made since is taken over again.
    assert house.ask("@hiclaw create worker bob model=m").state == "done"
    house.settle()
    assert set(house.eyes.my_rooms()) == rooms
    got = house.ask("@hiclaw audit verify")
    assert got.state == "done" and f"{seq + 1} receipts" in got.body, got
    house.settle()
    assert house.ask("@hiclaw doctor").state == "done"


def test_backup_is_found_by_the_doctor(house):
    time.sleep(1)       # names are by the second
    assert house.ask("@hiclaw backup").state == "done"
    assert "backup: made" in house.ask("@hiclaw doctor").body


def test_watch_mute_join_me(house):
    """A person with one worker hears of it where the two of us talk; the admin room
    hears nothing while it is muted."""
    vic = house.new_person("vic")
    assert house.ask("@hiclaw create human vic permissionLevel=3 "
                     f'matrixUserId="{vic.me}" accessibleWorkers=ann'
                     ).state == "done"
    house.settle()
    vic.accept()
    dm = vic.post("/createRoom", {"preset": "trusted_private_chat",
                                  "is_direct": True,
                                  "invite": [house.bot]})["room_id"]
    assert "changes Worker/ann" in vic.ask(dm, "watch ann").body
    assert house.ask("@hiclaw mute ann for 1h").state == "done"
    room = house.eyes.resolve("hiclaw_worker_ann")
    house.admin.put(f"/rooms/{quote(room)}/state/m.room.name/",
                    {"name": "mine"})

    def heard():
        vic.accept()
        return [c["body"] for r in vic.events for _, c, _ in vic.from_bot(r)
                if "(You watch Worker/ann.)" in c["body"]]
    eventually(heard, 30, 0.5, "the word about it")
    house.admin.sync()
    assert not [c for _, c, _ in house.admin.from_bot(house.room)
                if "was put right" in c["body"]]
    assert "1 left out" in house.ask("@hiclaw mute").body
    assert house.ask("@hiclaw unmute ann").state == "done"
    # Who left a room comes back by a word, and into no other.
    vic.post(f"/rooms/{quote(room)}/leave")
    eventually(lambda: "a new invitation" in vic.ask(dm, "join-me ann").body,
               20, 1, "an invitation")
    eventually(lambda: vic.accept() and vic.me in
               house.eyes.room(room).joined, 20, 0.5, "vic in the room")
    assert vic.ask(dm, "join-me bob").state == "refused"


def test_doctor_finds(house):
    """The homeserver loses the way to us only in its own eyes; here the storage is
    taken away."""
    away = house.controller.storage.with_name("away")
    house.controller.storage.rename(away)
    house.controller.storage.write_text("no directory")
    try:
        # Not something that the engine looks at by itself: give it work.
        house.admin.send(house.room, "@hiclaw set worker ann model=m2")
        got = eventually(lambda: next(
            (r for r in [house.ask("@hiclaw doctor")]
             if r.state == "failed" or "cannot be done now" in r.body or
             "ago:" in r.body), None), 40, 1, "something found")
        assert "directory" in got.body and "To do:" in got.body, got.body
    finally:
        house.controller.storage.unlink()
        away.rename(house.controller.storage)
