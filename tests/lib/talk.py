"""Talking to a real agent: questions in every form that clients send, from
people who may ask and from a stranger, and waiting for what comes of it.
"""
import time
import uuid

import client
from client import eventually, quote
from runtimes import FORMS


def mark():
    return "m" + uuid.uuid4().hex[:10]


def question(user, m, form="mention, id, pill"):
    """The content of a message that asks `user` for pong-m."""
    local = user[1:].partition(":")[0]
    out = {"msgtype": "m.text", "body": f"ping-{m}"}
    if form == "bare name":
        out["body"] = f"{local} ping-{m}"
    if "id" in form.split(", "):
        out["body"] = f"{user} ping-{m}"
    if "mention" in form:
        out["m.mentions"] = {"user_ids": [user]}
    if "pill" in form:
        out["format"] = "org.matrix.custom.html"
        out["formatted_body"] = (f'<a href="https://matrix.to/#/{user}">'
                                 f"{local}</a> ping-{m}")
        out["body"] = out["body"] if "id" in form else f"{local}: ping-{m}"
    return out


class Talk:
    """The rooms around one agent: its own one, where `human` is; one of three
    with a stranger in it; and a direct one with each of the two."""

    def __init__(self, human, stranger, user, room, running, model):
        self.human, self.stranger, self.user = human, stranger, user
        self.group, self.running, self.model = room, running, model
        self.three = human.post("/createRoom", {
            "name": "three", "preset": "private_chat",
            "invite": [user, stranger.me]})["room_id"]
        stranger.post(f"/rooms/{quote(self.three)}/join")
        self.dm, self.strange_dm = (p.post("/createRoom", {
            "preset": "trusted_private_chat", "is_direct": True,
            "invite": [user]})["room_id"] for p in (human, stranger))

    def wait_joined(self, room, who, seconds):
        def inside():
            assert self.running.alive(), \
                "the runtime ended:\n" + self.running.tail()
            return self.user in who.get(
                f"/rooms/{quote(room)}/joined_members")["joined"]
        eventually(inside, seconds, 0.5, f"{self.user} in {room}")

    def said(self, room, who):
        """What the agent said in a room lately, with edits put in."""
        page = who.get(f"/rooms/{quote(room)}/messages", dir="b", limit=60)
        return [(e["content"].get("m.new_content") or e["content"])
                .get("body", "") for e in page["chunk"]
                if e["sender"] == self.user and e["type"] == "m.room.message"]

    def answered(self, room, who, m):
        return any(f"pong-{m}" in text for text in self.said(room, who))

    def send(self, room, who, form="mention, id, pill"):
        m = mark()
        who.put(f"/rooms/{quote(room)}/send/m.room.message/{m}",
                question(self.user, m, form))
        return m

    def wait(self, room, who, m, seconds):
        """Seconds until it is answered, or None."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            if self.answered(room, who, m):
                return time.monotonic() - start
            time.sleep(0.3)
        return None

    def ask(self, room, who, seconds=60, form="mention, id, pill"):
        """(seconds or None, mark)"""
        m = self.send(room, who, form)
        return self.wait(room, who, m, seconds), m

    def wake(self, seconds):
        """Until the first answer.  What arrives before a runtime's first sync
        has ended may be dropped by it although it has joined: ask again."""
        self.wait_joined(self.group, self.human, seconds)
        start, marks = time.monotonic(), []
        while time.monotonic() < start + seconds:
            marks.append(self.send(self.group, self.human))
            self.wait(self.group, self.human, marks[-1], 6)
            for m in marks:
                if self.answered(self.group, self.human, m):
                    return m
            assert self.running.alive(), \
                "the runtime ended:\n" + self.running.tail()
        raise AssertionError("no answer in its room:\n" + self.running.tail())

    def forms(self, expected):
        """{form: answered?}; asks in all of them at once where that shows
        nothing wrong, so that silence is waited for only once."""
        marks = {}
        for form in FORMS:
            marks[form] = self.send(self.group, self.human, form)
            if form in expected:
                self.wait(self.group, self.human, marks[form], 30)
        self.quiet()
        return {f: self.answered(self.group, self.human, m)
                for f, m in marks.items()}

    def stranger_heard(self):
        """Where the stranger was answered although nobody allows it."""
        for room in (self.three, self.strange_dm):
            try:
                self.wait_joined(room, self.stranger, 15)
            except AssertionError:
                pass	# refusing to come is silence as well
        asked = {"group": (self.three, self.send(self.three, self.stranger)),
                 "direct": (self.strange_dm, self.send(
                     self.strange_dm, self.stranger, "nothing"))} \
            if self.in_dm() else \
            {"group": (self.three, self.send(self.three, self.stranger))}
        self.quiet()
        return [k for k, (room, m) in asked.items()
                if self.answered(room, self.stranger, m)
                or self.model.turn(m)]

    def in_dm(self):
        return self.user in self.stranger.get(
            f"/rooms/{quote(self.strange_dm)}/joined_members")["joined"]

    def quiet(self, seconds=4):
        """Long enough that what was to be answered is: a question that is
        answered goes behind, and some seconds more."""
        took, _ = self.ask(self.group, self.human, 60)
        assert took is not None, \
            "no answer any more:\n" + self.running.tail()
        time.sleep(seconds)

    def idle(self, seconds=15, limit=120):
        """Until the model has not been asked for a while: a runtime may have
        questions in hand that were asked minutes ago."""
        end = time.monotonic() + limit
        while time.monotonic() < end and any(
                t.at > time.time() - seconds for t in self.model.turns[-1:]):
            time.sleep(0.5)

    def until(self, test, seconds, every=1.0):
        """Seconds until test() gives something true, or None."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            try:
                if test():
                    return time.monotonic() - start
            except client.MatrixError:
                pass
            time.sleep(every)
        return None
