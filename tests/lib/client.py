"""A Matrix client of a few hundred lines that shares nothing with the program
under test: plain Python, so that what it reads back is a second opinion.

Api        one HTTP connection per thread, JSON in and out
Person     somebody with a token: writes, waits for answers, accepts invitations
Eyes       looks at rooms in the name of the bot, with the service's token
"""
import hashlib
import hmac
import http.client
import json
import threading
import time
import urllib.parse
import uuid

V3 = "/_matrix/client/v3"
REPLY = "io.hiclaw.reply"
MARKER = "io.hiclaw.object"
FINAL = ("done", "info", "failed", "refused", "question")


def quote(s):
    return urllib.parse.quote(s, safe="")


class MatrixError(Exception):
    def __init__(self, what, status, body):
        self.status = status
        self.errcode = body.get("errcode", "") if isinstance(body, dict) else ""
        super().__init__(f"{what}: {status} {body}")


class Api:
    def __init__(self, url, token=None, user=None):
        self.url, self.token, self.as_user = url, token, user
        self.host = urllib.parse.urlsplit(url).netloc
        self.local = threading.local()

    def raw(self, method, path, data=None, headers=None, timeout=60):
        """(status, headers, bytes); a connection that was closed under us
        while idle is opened again, once."""
        send = dict(headers or {})
        if self.token:
            send.setdefault("Authorization", "Bearer " + self.token)
        for attempt in (0, 1):
            conn = getattr(self.local, "conn", None)
            fresh = conn is None
            if fresh:
                conn = http.client.HTTPConnection(self.host)
                self.local.conn = conn
            conn.timeout = timeout
            if conn.sock:
                conn.sock.settimeout(timeout)
            try:
                conn.request(method, path, body=data, headers=send)
                r = conn.getresponse()
                return r.status, r.headers, r.read()
            except (OSError, http.client.HTTPException):
                conn.close()
                self.local.conn = None
                if fresh or attempt:
                    raise
        raise AssertionError("unreachable")

    def call(self, method, path, body=None, within=60, **query):
        if self.as_user:
            query.setdefault("user_id", self.as_user)
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if body is None and method in ("POST", "PUT"):
            body = {}
        data = None if body is None else json.dumps(body).encode()
        status, _, raw = self.raw(method, path, data,
                                  {"Content-Type": "application/json"}
                                  if data is not None else None, within)
        try:
            answer = json.loads(raw) if raw else {}
        except ValueError:
            answer = {"raw": raw[:200].decode("utf-8", "replace")}
        if status // 100 != 2:
            raise MatrixError(f"{method} {path}", status, answer)
        return answer

    def get(self, path, **query):
        return self.call("GET", V3 + path, **query)

    def post(self, path, body=None, **query):
        return self.call("POST", V3 + path, body, **query)

    def put(self, path, body=None, **query):
        return self.call("PUT", V3 + path, body, **query)


def make_account(url, shared, user, password, admin=False):
    """Synapse's shared-secret registration."""
    api, path = Api(url), "/_synapse/admin/v1/register"
    nonce = api.call("GET", path)["nonce"]
    text = "\0".join([nonce, user, password,
                      "admin" if admin else "notadmin"])
    return api.call("POST", path, {
        "nonce": nonce, "username": user, "password": password,
        "admin": admin, "mac": hmac.new(shared.encode(), text.encode(),
                                        hashlib.sha1).hexdigest()})


def login(url, user, password):
    return Api(url).post("/login", {
        "type": "m.login.password", "password": password,
        "identifier": {"type": "m.id.user", "user": user}})


class Reply:
    """What the bot made of one command: its newest text and every form on the
    way, oldest first, as (event, content, reply)."""

    def __init__(self, forms):
        self.forms = forms
        _, self.content, self.mark = forms[-1]
        self.state, self.body = self.mark.get("state"), self.content["body"]
        self.run, self.question = self.mark.get("run"), self.mark.get("question")
        self.event_id = forms[0][0]["event_id"]

    def __repr__(self):
        return f"<{self.state}: {self.body}>"


class Person(Api):
    """Follows /sync and keeps every timeline event it was shown."""

    FILTER = json.dumps({
        "presence": {"types": []},
        "room": {"timeline": {"limit": 200}, "ephemeral": {"types": []},
                 "state": {"lazy_load_members": True}}})

    def __init__(self, url, user_id, token, bot):
        super().__init__(url, token)
        self.me, self.bot = user_id, bot
        self.since, self.events, self.invites = None, {}, {}
        self.seen = set()

    def sync(self, wait_ms=0):
        query = {"timeout": wait_ms, "filter": self.FILTER,
                 "set_presence": "offline"}
        if self.since:
            query["since"] = self.since
        answer = self.get("/sync", within=wait_ms / 1000 + 60, **query)
        self.since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for room in rooms.get("join", {}):
            self.invites.pop(room, None)
            for e in rooms["join"][room].get("timeline", {}).get("events", []):
                if e["event_id"] not in self.seen:
                    self.seen.add(e["event_id"])
                    self.events.setdefault(room, []).append(e)
        for room in rooms.get("leave", {}):
            self.invites.pop(room, None)
        for room, r in rooms.get("invite", {}).items():
            self.invites[room] = r.get("invite_state", {}).get("events", [])
        return answer

    def accept(self):
        """Join where the bot invited us; number of rooms."""
        n = 0
        self.sync()
        for room, state in list(self.invites.items()):
            if any(e["type"] == "m.room.member" and e["sender"] == self.bot
                   and e.get("state_key") == self.me for e in state):
                self.post(f"/rooms/{quote(room)}/join")
                n += 1
            self.invites.pop(room, None)
        return n

    def send(self, room, content, kind="m.room.message", txn=None):
        if isinstance(content, str):
            content = {"msgtype": "m.text", "body": content}
        self.sync()
        return self.put(f"/rooms/{quote(room)}/send/{kind}/"
                        + (txn or uuid.uuid4().hex), content)["event_id"]

    def paste(self, room, yaml):
        return self.send(room, "```yaml\n" + yaml.strip("\n") + "\n```")

    def attach(self, room, data, name="team.yaml"):
        _, _, raw = self.raw(
            "POST", "/_matrix/media/v3/upload?filename=" + quote(name), data,
            {"Content-Type": "application/yaml"})
        return self.send(room, {
            "msgtype": "m.file", "body": name, "filename": name,
            "url": json.loads(raw)["content_uri"],
            "info": {"mimetype": "application/yaml", "size": len(data)}})

    def from_bot(self, room):
        """(event, effective content, is_edit) of all messages of the bot."""
        for e in self.events.get(room, []):
            if e["type"] != "m.room.message" or e["sender"] != self.bot:
                continue
            new = e["content"].get("m.new_content")
            if e["content"].get("body") is not None:
                yield e, new or e["content"], new is not None

    def forms(self, room, event_id):
        out = []
        for e, content, _ in self.from_bot(room):
            mark = content.get(REPLY) or e["content"].get(REPLY)
            if isinstance(mark, dict) and mark.get("for") == event_id:
                out.append((e, content, mark))
        return out

    def answer(self, room, event_id, timeout=60, states=FINAL):
        """Wait for the answer in one of these states; people accept
        invitations meanwhile."""
        end = time.monotonic() + timeout
        while True:
            forms = self.forms(room, event_id)
            for i, form in enumerate(forms):
                if form[2].get("state") in states:
                    return Reply(forms[:i + 1])
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"no answer to {event_id} in {timeout} s; heard: "
                    + "; ".join(f"{f[2].get('state')}: {f[1]['body']}"
                                for f in forms) + self.recent(room))
            self.sync(int(min(left, 5) * 1000))

    def answer_quietly(self, room, event_id, timeout, every=0.25):
        """Like answer, but only looks at the end of the room now and then, so
        that measuring costs the homeserver next to nothing."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            page = self.get(f"/rooms/{quote(room)}/messages", dir="b", limit=5)
            for e in page["chunk"]:
                content = e["content"].get("m.new_content") or e["content"]
                mark = content.get(REPLY)
                if e["sender"] == self.bot and isinstance(mark, dict) and \
                        mark.get("for") == event_id and \
                        mark.get("state") in FINAL:
                    return Reply([(e, content, mark)])
            time.sleep(every)
        raise AssertionError(f"no answer in {timeout} s")

    def recent(self, room):
        said = [c["body"] for _, c, _ in self.from_bot(room)][-5:]
        return "\nrecently said by the bot: " + repr(said)

    def ask(self, room, text, timeout=60, states=FINAL):
        return self.answer(room, self.send(room, text), timeout, states)

    def apply(self, room, yaml, timeout=90, states=("done", "info")):
        """Paste and insist on success."""
        reply = self.answer(room, self.paste(room, yaml), timeout)
        assert reply.state in states, reply
        self.accept()
        return reply

    def wait_for(self, room, test, timeout=20, what="message"):
        """The first event in the room that passes the test."""
        end = time.monotonic() + timeout
        while True:
            for e in self.events.get(room, []):
                if test(e):
                    return e
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {what} in {timeout} s"
                                     + self.recent(room))
            self.sync(int(min(left, 2) * 1000))

    def history(self, room):
        """All events of a room, oldest first, from the server."""
        out, at = [], None
        while True:
            query = {"dir": "b", "limit": 500}
            if at:
                query["from"] = at
            page = self.get(f"/rooms/{quote(room)}/messages", **query)
            out += page["chunk"]
            at = page.get("end")
            if not at or not page["chunk"]:
                return out[::-1]


class Room:
    """The state of one room as the homeserver tells it."""

    def __init__(self, room_id, events):
        self.id, self.state = room_id, {}
        for e in events:
            self.state[e["type"], e["state_key"]] = e
        self.members = {k: e["content"].get("membership")
                        for (t, k), e in self.state.items()
                        if t == "m.room.member"}

    def get(self, kind, field, key=""):
        e = self.state.get((kind, key))
        return None if e is None else e["content"].get(field)

    @property
    def inside(self):
        """Who is joined or invited."""
        return {k for k, m in self.members.items() if m in ("join", "invite")}

    @property
    def joined(self):
        return {k for k, m in self.members.items() if m == "join"}

    @property
    def power(self):
        e = self.state.get(("m.room.power_levels", ""))
        return e["content"] if e else {}

    @property
    def creator(self):
        return self.state["m.room.create", ""]["sender"]

    def keys(self, kind):
        """State keys with content that is not empty."""
        return {k for (t, k), e in self.state.items()
                if t == kind and e["content"]}


class Eyes(Api):
    def __init__(self, url, as_token, bot, domain):
        super().__init__(url, as_token, bot)
        self.bot, self.domain = bot, domain

    def resolve(self, local):
        try:
            return self.get("/directory/room/"
                            + quote(f"#{local}:{self.domain}"))["room_id"]
        except MatrixError as e:
            if e.status == 404:
                return None
            raise

    def room(self, room_id):
        return Room(room_id, self.get(f"/rooms/{quote(room_id)}/state"))

    def by_alias(self, local):
        room_id = self.resolve(local)
        return self.room(room_id) if room_id else None

    def my_rooms(self):
        """The rooms that the bot is in."""
        return self.get("/joined_rooms")["joined_rooms"]

    def rooms_of(self, user):
        return self.get("/joined_rooms", user_id=user)["joined_rooms"]

    def by_marker(self):
        """Object key -> list of room ids, over all rooms of the bot: two ids
        under one key are a room made twice."""
        out = {}
        for room_id in self.my_rooms():
            room = self.room(room_id)
            for (t, _), e in room.state.items():
                if t == MARKER and e["content"]:
                    out.setdefault(e["content"].get("key")
                                   or e["content"].get("object"),
                                   []).append(room_id)
        return out


def eventually(test, timeout=20, every=0.1, what="condition"):
    """Wait until test() gives something true; an AssertionError inside counts
    as not yet, and is what the caller sees at the end."""
    end = time.monotonic() + timeout
    while True:
        trouble = None
        try:
            got = test()
            if got:
                return got
        except (AssertionError, MatrixError) as e:
            trouble = e
        if time.monotonic() > end:
            if trouble:
                raise trouble
            raise AssertionError(f"{what}: not in {timeout} s")
        time.sleep(every)
