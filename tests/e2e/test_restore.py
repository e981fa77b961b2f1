"""A database is lost: everything declared comes back from the receipts in the
admin room, and every room and account is found again."""
import os
import pathlib
import sqlite3
import subprocess

import pytest
from client import eventually, quote
from expect import SAMPLE
from stack import DOMAIN, controller_path

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s, labels: {made: by-hand}}
spec: {model: %s}
"""
# Too long for an event: the receipt has it as an attachment.
LONG = (WORKER % ("wordy", "m")).replace("spec: {model: m}", "spec:\n"
        "  model: m\n  soul: |") + "    word after word\n" * 1500


def restore(house, *more, room=f"#hiclaw_admin:{DOMAIN}"):
    return subprocess.run(
        [controller_path(), "--config", str(house.controller.config),
         "--restore-from-room", room, *more],
        capture_output=True, text=True, cwd=house.controller.dir)


def lose(house):
    """The database, and what SQLite keeps beside it.  The key stays."""
    assert house.controller.stop() == 0
    for path in pathlib.Path(house.controller.database).parent.glob(
            "hiclaw.db*"):
        if not path.name.endswith(".key"):
            path.unlink()


def census(house):
    """(rooms, accounts) of the whole server."""
    admin = house.admin
    rooms = admin.call("GET", "/_synapse/admin/v1/rooms", limit="500")
    users = admin.call("GET", "/_synapse/admin/v2/users", limit="500",
                       guests="false")
    return ({r["room_id"]: (r["canonical_alias"], r["joined_members"])
             for r in rooms["rooms"]},
            sorted(u["name"] for u in users["users"]))


def declared(house):
    """What `export` gives, and what SQLite has of each resource."""
    def files():
        house.admin.sync()
        return [c["url"] for _, c, _ in house.admin.from_bot(house.room)
                if c.get("filename") == "hiclaw.yaml"]
    had = len(files())
    house.ask("@hiclaw export")
    server, media = eventually(
        lambda: len(files()) > had and files()[-1], 20,
        what="the export")[len("mxc://"):].split("/")
    _, _, raw = house.admin.raw(
        "GET", f"/_matrix/client/v1/media/download/{server}/{media}")
    db = sqlite3.connect(f"file:{house.controller.database}?mode=ro",
                         uri=True)
    rows = db.execute("SELECT kind, name, metadata, spec, generation FROM "
                      "resource ORDER BY kind, name").fetchall()
    db.close()
    return raw.decode(), rows


@pytest.fixture(scope="module")
def house(stack):
    s = stack
    s.apply(SAMPLE)
    s.apply(WORKER % ("ann", "one"))
    s.apply(WORKER % ("ann", "two"))
    s.apply(LONG)
    s.apply(WORKER % ("gone", "m"))
    assert s.ask("@hiclaw delete worker gone").state == "question"
    assert s.ask("yes").state == "done"
    s.settle()
    return s


def test_not_lost(house):
    house.controller.stop()
    try:
        got = restore(house)
        assert got.returncode != 0 and "is not lost" in got.stderr, got
    finally:
        house.controller.start()


def test_in_use(house):
    got = restore(house)
    assert got.returncode == os.EX_TEMPFAIL, got


def test_restore(house):
    text, rows = declared(house)
    model = house.ask("!hiclaw get worker ann -o yaml").body
    before, dms = census(house), house.eyes.by_marker()
    lose(house)
    got = restore(house, room=f"#nobody:{DOMAIN}")
    assert got.returncode == os.EX_DATAERR, got
    got = restore(house)
    assert got.returncode == 0, got
    assert "1 Team" in got.stdout and "3 Human" in got.stdout, got
    house.proxy.clear()
    house.controller.start()
    # It listens from the first moment.
    house.ask("@hiclaw status")
    house.settle(60)
    status = eventually(lambda: "all settled" in (b := house.ask(
        "@hiclaw status").body) and b, 30, what="status")
    after_text, after_rows = declared(house)
    assert after_rows == rows
    assert after_text == text
    assert house.ask("!hiclaw get worker ann -o yaml").body == model
    # Nothing was made: all was found.
    assert census(house) == before, status
    assert house.eyes.by_marker() == dms
    made = [c for c in house.proxy.calls if c.status == 200 and
            ("createRoom" in c.name or "register" in c.name)]
    assert not made, made
    counts = [x for x in house.ask("@hiclaw status").body.splitlines()
              if "failed" in x.lower()]
    assert not counts, counts
    # The room was told; the chain is whole and goes on.
    told = [c["body"] for _, c, _ in house.admin.from_bot(house.room)
            if "database was lost" in c["body"]]
    assert len(told) == 1 and "receipts" in told[0], told
    got = house.admin.ask(house.room, "@hiclaw audit verify",
                          states=("done", "failed", "refused"))
    assert got.state == "done", got
    history = house.ask("@hiclaw history worker ann").body
    assert history.count("model") == 1, history
    # Undo of a change from before goes back to what was there then.
    seq = next(e["content"]["io.hiclaw.receipt"]["seq"]
               for e in reversed(house.admin.history(house.room))
               if e["content"].get("io.hiclaw.receipt", {}).get("changed") and
               "ann" in e["content"]["io.hiclaw.receipt"]["title"])
    got = house.ask(f"@hiclaw undo {seq}")
    assert got.state == "done", got
    assert "one" in house.ask("!hiclaw get worker ann -o yaml").body


def test_tampered(house):
    """A receipt is gone from the room: it says which, and does nothing."""
    chain = {e["content"]["io.hiclaw.receipt"]["seq"]: e["event_id"]
             for e in house.admin.history(house.room)
             if e["content"].get("io.hiclaw.receipt", {}).get("seq")}
    house.admin.put(
        f"/rooms/{quote(house.room)}/redact/{quote(chain[2])}/r", {})
    lose(house)
    got = restore(house)
    assert got.returncode == os.EX_DATAERR, got
    assert "receipt 2 is missing" in got.stderr, got
    assert "nothing was restored" in got.stderr, got
    got = restore(house, "--force")
    assert got.returncode == 0, got
    house.controller.start()
    house.settle(60)
    assert "one" in house.ask("!hiclaw get worker ann -o yaml").body
