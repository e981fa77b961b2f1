#!/usr/bin/env python3
"""A homeserver in one file, for what a real one cannot be made to show: answers
429 and 500 on demand, cuts the wire after a call had its effect, is slow, or
is fast enough for ten thousand workers.

It keeps rooms, state, members, accounts and devices; pushes every event of a
room with a service user in it, in order, in transactions of at most 100, and
again until they are answered 200.  It does not check power levels, and nothing
outlives the process.

As a program:  fakehs.py --port P --registration FILE [--user NAME:PASSWORD]
"""
import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse

from proxy import Call, Fault

V3 = "/_matrix/client/v3/"
SYNC_LIMIT = 100


class Refuse(Exception):
    def __init__(self, status, errcode, error=""):
        super().__init__(errcode)
        self.status = status
        self.body = {"errcode": errcode, "error": error or errcode}


class FakeRoom:
    def __init__(self, room_id):
        self.id, self.state, self.events = room_id, {}, []
        self.service = 0        # service users joined or invited

    def membership(self, user):
        e = self.state.get(("m.room.member", user))
        return e["content"].get("membership") if e else None


class FakeHs:
    def __init__(self, registration, domain="hiclaw.localhost", port=0,
                 shared_secret="fake secret", record=True):
        text = pathlib.Path(registration).read_text()

        def field(name):
            return re.search(rf"^\s*{name}:\s*[\"']?([^\"'\s]+)", text,
                             re.M)[1]
        self.as_token, self.hs_token = field("as_token"), field("hs_token")
        self.as_id, self.push_url = field("id"), field("url")
        self.sender = f"@{field('sender_localpart')}:{domain}"
        self.prefix = "hiclaw"
        self.domain, self.shared_secret = domain, shared_secret
        self.users = {self.sender: {"devices": {}, "data": {}, "profile": {}}}
        self.passwords, self.tokens = {}, {}
        self.rooms, self.aliases, self.media = {}, {}, {}
        self.alias_makers = {}
        self.stream = []                # (room, event) in order
        self.sent = {}                  # transaction ids
        self.calls, self.faults, self.record = [], [], record
        self.counted = {"all": 0, "write": 0}
        self.queue, self.wake, self.waiting = [], asyncio.Event(), []
        self.push_down, self.txn, self.pushed = False, 0, 0
        self.want_port, self.cut, self.transports = port, False, set()
        self.serial = 0

    # --- life ---

    def start(self):
        self.loop, ready = asyncio.new_event_loop(), threading.Event()

        def run():
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._open())
            ready.set()
            self.loop.run_forever()
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        ready.wait(10)
        return self

    async def _open(self):
        self.server = await self.loop.create_server(
            lambda: Wire(self), "127.0.0.1", self.want_port)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # Kept: the loop alone does not keep a task alive.
        self.pusher = self.loop.create_task(self._push())

    def stop(self):
        async def end():
            self.pusher.cancel()
            await asyncio.gather(self.pusher, return_exceptions=True)
            self.loop.stop()
        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.thread.join(5)

    def fail(self, *a, **kw):
        fault = Fault(*a, **kw)
        self.faults.append(fault)
        return fault

    def heal(self):
        self.faults.clear()
        self.cut = False

    def cut_off(self):
        self.cut = True
        self.loop.call_soon_threadsafe(
            lambda: [t.abort() for t in list(self.transports)])

    def clear(self):
        self.calls.clear()

    def writes(self):
        return [c for c in list(self.calls) if c.writes]

    def add_user(self, name, password):
        user = f"@{name}:{self.domain}"
        self.users[user] = {"devices": {}, "data": {}, "profile": {}}
        self.passwords[user] = password
        return user

    # --- events ---

    def ours(self, user):
        return re.fullmatch(rf"@{self.prefix}(_[a-z0-9._=/+-]+)?:.*", user) \
            is not None or user == self.sender

    def emit(self, room, sender, kind, content, state_key=None, **more):
        self.serial += 1
        event = {"event_id": "$" + base64.urlsafe_b64encode(hashlib.sha256(
                     str(self.serial).encode()).digest()).decode()[:43],
                 "type": kind, "sender": sender, "room_id": room.id,
                 "origin_server_ts": int(time.time() * 1000),
                 "content": content, **more}
        if state_key is not None:
            event["state_key"] = state_key
            old = room.state.get((kind, state_key))
            if old:
                event["unsigned"] = {"prev_content": old["content"],
                                     "prev_sender": old["sender"],
                                     "replaces_state": old["event_id"]}
            if kind == "m.room.member" and self.ours(state_key):
                was = old and old["content"]["membership"] in ("join", "invite")
                now = content["membership"] in ("join", "invite")
                room.service += bool(now) - bool(was)
            room.state[kind, state_key] = event
        self.stream.append((room, event))
        event_at = len(self.stream)
        room.events.append((event_at, event))
        if room.service or self.ours(sender) or (
                state_key and kind == "m.room.member" and self.ours(state_key)):
            self.queue.append(event)
            self.wake.set()
        waiting, self.waiting = self.waiting, []
        for f in waiting:
            if not f.done():
                f.set_result(None)
        return event["event_id"]

    def member(self, room, sender, user, membership, reason=None):
        content = {"membership": membership}
        name = self.users.get(user, {}).get("profile", {}).get("displayname")
        if name:
            content["displayname"] = name
        if reason:
            content["reason"] = reason
        more = {}
        if membership == "invite":
            more["invite_room_state"] = self.stripped(room)
        return self.emit(room, sender, "m.room.member", content, user, **more)

    @staticmethod
    def stripped(room):
        return [{k: e[k] for k in ("type", "state_key", "content", "sender")}
                for (t, _), e in room.state.items()
                if t in ("m.room.create", "m.room.name", "m.room.join_rules")]

    # --- pushing ---

    async def _push(self):
        parts = urllib.parse.urlsplit(self.push_url)
        conn, wait = None, 0.05
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.queue:
                if self.push_down:
                    await asyncio.sleep(0.1)
                    continue
                batch = self.queue[:100]
                self.txn += 1
                while True:
                    try:
                        if conn is None:
                            conn = await asyncio.open_connection(
                                parts.hostname, parts.port)
                        ok = await self._request(
                            conn, "PUT", "/_matrix/app/v1/transactions/"
                            f"{self.txn}", {"events": batch})
                        if ok == 200:
                            wait = 0.05
                            break
                    except (OSError, asyncio.IncompleteReadError, ValueError):
                        conn = None
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 2)
                del self.queue[:len(batch)]
                self.pushed += len(batch)

    async def _request(self, conn, method, path, body):
        data = json.dumps(body).encode()
        conn[1].write((f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
                       f"Authorization: Bearer {self.hs_token}\r\n"
                       "Content-Type: application/json\r\n"
                       f"Content-Length: {len(data)}\r\n\r\n").encode() + data)
        head = (await conn[0].readuntil(b"\r\n\r\n")).decode("latin-1")
        n = re.search(r"content-length:\s*(\d+)", head, re.I)
        await conn[0].readexactly(int(n[1]) if n else 0)
        return int(head.split(" ")[1])

    # --- calls: method, path pieces -> answer ---

    def who(self, call, headers):
        token = headers.get("authorization", "")[len("Bearer "):]
        if not token:
            raise Refuse(401, "M_MISSING_TOKEN")
        if token != self.as_token:
            if token not in self.tokens:
                raise Refuse(401, "M_UNKNOWN_TOKEN")
            return self.tokens[token]
        user = call.query.get("user_id") or self.sender
        if user not in self.users or not self.ours(user):
            raise Refuse(403, "M_FORBIDDEN", "not ours or not registered")
        device = call.query.get("device_id")
        if device and "user_id" not in call.query:
            raise Refuse(500, "M_UNKNOWN", "device without user")
        if device and device not in self.users[user]["devices"]:
            raise Refuse(400, "M_UNKNOWN_DEVICE")
        return user

    def room_of(self, piece):
        room = self.rooms.get(piece)
        if room is None:
            raise Refuse(404, "M_NOT_FOUND", "no such room")
        return room

    def answer(self, call, headers):
        path, m = call.path, call.method
        if path == "/_matrix/client/versions":
            return {"versions": ["v1.1", "v1.11", "v1.15", "v1.17"]}
        if path == "/_synapse/admin/v1/register":
            return self.shared_register(call, m)
        if path.startswith("/_matrix/media/v3/upload"):
            mxc = f"mxc://{self.domain}/m{len(self.media)}"
            self.media[mxc] = call.data
            return {"content_uri": mxc}
        if path.startswith("/_matrix/client/v1/media/download/"):
            mxc = "mxc://" + "/".join(path.split("/")[6:8])
            if mxc not in self.media:
                raise Refuse(404, "M_NOT_FOUND")
            return self.media[mxc]
        if path == f"/_matrix/client/v1/appservice/{self.as_id}/ping":
            self.who(call, headers)
            return self.loop.create_task(self.ping(call.body))
        if not path.startswith(V3):
            raise Refuse(404, "M_UNRECOGNIZED")
        pieces = [urllib.parse.unquote(x)
                  for x in path[len(V3):].split("/")]
        if pieces[0] in ("register", "login") and m == "POST":
            return getattr(self, "do_" + pieces[0])(call, headers)
        user = self.who(call, headers)
        do = getattr(self, "do_" + pieces[0], None)
        if do is None:
            raise Refuse(404, "M_UNRECOGNIZED", path)
        return do(call, m, user, pieces[1:])

    def shared_register(self, call, m):
        if m == "GET":
            return {"nonce": "nonce"}
        b = call.body
        text = "\0".join([b["nonce"], b["username"], b["password"],
                          "admin" if b.get("admin") else "notadmin"])
        mac = hmac.new(self.shared_secret.encode(), text.encode(),
                       hashlib.sha1).hexdigest()
        if mac != b["mac"]:
            raise Refuse(403, "M_FORBIDDEN", "HMAC incorrect")
        if f"@{b['username']}:{self.domain}" in self.users:
            raise Refuse(400, "M_USER_IN_USE")
        user = self.add_user(b["username"], b["password"])
        return {"user_id": user, "access_token": self.token(user),
                "home_server": self.domain, "device_id": "X"}

    def token(self, user):
        self.serial += 1
        token = f"tok_{user}_{self.serial}"
        self.tokens[token] = user
        return token

    async def ping(self, body):
        parts = urllib.parse.urlsplit(self.push_url)
        try:
            conn = await asyncio.open_connection(parts.hostname, parts.port)
            status = await self._request(conn, "POST",
                                         "/_matrix/app/v1/ping", body)
            conn[1].close()
        except (OSError, asyncio.IncompleteReadError):
            raise Refuse(502, "M_CONNECTION_FAILED") from None
        if status != 200:
            raise Refuse(502, "M_BAD_STATUS", f"answered {status}")
        return {"duration_ms": 1}

    def do_register(self, call, headers):
        b = call.body
        if headers.get("authorization") != "Bearer " + self.as_token:
            raise Refuse(401, "M_UNKNOWN_TOKEN")
        user = f"@{b['username']}:{self.domain}"
        if not self.ours(user):
            raise Refuse(400, "M_EXCLUSIVE")
        if user in self.users:
            raise Refuse(400, "M_USER_IN_USE")
        self.users[user] = {"devices": {}, "data": {}, "profile": {
            "displayname": b["username"]}}
        out = {"user_id": user, "home_server": self.domain}
        if not b.get("inhibit_login"):
            device = b.get("device_id") or "D"
            self.users[user]["devices"][device] = True
            out.update(device_id=device, access_token=self.token(user))
        return out

    def do_login(self, call, headers):
        b = call.body
        name = b["identifier"]["user"]
        user = name if name[0] == "@" else f"@{name}:{self.domain}"
        if user not in self.users:
            raise Refuse(403, "M_FORBIDDEN")
        if b["type"] == "m.login.password":
            if self.passwords.get(user) != b["password"]:
                raise Refuse(403, "M_FORBIDDEN")
        device = b.get("device_id") or "D"
        self.users[user]["devices"][device] = True
        return {"user_id": user, "device_id": device,
                "access_token": self.token(user)}

    def do_logout(self, call, m, user, rest):
        self.users[user]["devices"].clear()
        for t in [t for t, u in self.tokens.items() if u == user]:
            del self.tokens[t]
        return {}

    def do_account(self, call, m, user, rest):
        return {"user_id": user, "is_guest": False}

    def do_capabilities(self, call, m, user, rest):
        return {"capabilities": {"m.room_versions": {
            "default": "12", "available": {"11": "stable", "12": "stable"}}}}

    def do_devices(self, call, m, user, rest):
        devices = self.users[user]["devices"]
        if m == "PUT":
            devices[rest[0]] = True
        elif m == "DELETE":
            devices.pop(rest[0], None)
        return {"devices": [{"device_id": d} for d in devices]}

    def do_profile(self, call, m, user, rest):
        profile = self.users.setdefault(
            rest[0], {"devices": {}, "data": {}, "profile": {}})["profile"]
        if m == "PUT":
            profile.update(call.body)
            return {}
        return profile

    def do_user(self, call, m, user, rest):
        """Account data and filters."""
        if rest[1] == "filter":
            return {"filter_id": "0"}
        data = self.users[rest[0]]["data"]
        if m == "PUT":
            data[rest[-1]] = call.body
            return {}
        if rest[-1] not in data:
            raise Refuse(404, "M_NOT_FOUND")
        return data[rest[-1]]

    def do_joined_rooms(self, call, m, user, rest):
        return {"joined_rooms": [r.id for r in self.rooms.values()
                                 if r.membership(user) == "join"]}

    def do_directory(self, call, m, user, rest):
        alias = rest[1]
        if m == "PUT":
            if alias in self.aliases:
                raise Refuse(409, "M_UNKNOWN")
            self.aliases[alias] = call.body["room_id"]
            self.alias_makers[alias] = user
            return {}
        if alias not in self.aliases:
            raise Refuse(404, "M_NOT_FOUND")
        if m == "DELETE":
            if self.alias_makers[alias] != user:
                raise Refuse(403, "M_FORBIDDEN", "somebody else made it")
            del self.aliases[alias]
            return {}
        return {"room_id": self.aliases[alias], "servers": [self.domain]}

    def do_createRoom(self, call, m, user, rest):
        b = call.body
        alias = b.get("room_alias_name")
        full = f"#{alias}:{self.domain}"
        if alias and full in self.aliases:
            raise Refuse(400, "M_ROOM_IN_USE")
        self.serial += 1
        room = FakeRoom("!" + base64.urlsafe_b64encode(hashlib.sha256(
            f"room {self.serial}".encode()).digest()).decode()[:43])
        self.rooms[room.id] = room
        if alias:
            self.aliases[full] = room.id
            self.alias_makers[full] = user
        create = dict(b.get("creation_content") or {},
                      room_version=b.get("room_version", "12"))
        self.emit(room, user, "m.room.create", create, "")
        self.member(room, user, user, "join")
        power = {"users": {}, "users_default": 0, "events_default": 0,
                 "state_default": 50, "ban": 50, "kick": 50, "redact": 50,
                 "invite": 0, "historical": 100, "events": {}}
        power.update(b.get("power_level_content_override") or {})
        self.emit(room, user, "m.room.power_levels", power, "")
        if alias:
            self.emit(room, user, "m.room.canonical_alias",
                      {"alias": full}, "")
        given = {(e["type"], e.get("state_key", ""))
                 for e in b.get("initial_state", [])}
        for kind, content in (
                ("m.room.join_rules", {"join_rule": "invite"}),
                ("m.room.history_visibility",
                 {"history_visibility": "shared"}),
                ("m.room.guest_access", {"guest_access": "can_join"})):
            if (kind, "") not in given:
                self.emit(room, user, kind, content, "")
        for e in b.get("initial_state", []):
            self.emit(room, user, e["type"], e["content"],
                      e.get("state_key", ""))
        for field, kind in (("name", "m.room.name"),
                            ("topic", "m.room.topic")):
            if field in b:
                self.emit(room, user, kind, {field: b[field]}, "")
        for who in b.get("invite", []):
            self.member(room, user, who, "invite")
        return {"room_id": room.id}

    def do_join(self, call, m, user, rest):
        return self.do_rooms(call, "POST", user,
                             [self.aliases.get(rest[0], rest[0]), "join"])

    def do_rooms(self, call, m, user, rest):
        room, what = self.room_of(rest[0]), rest[1]
        if what == "join":
            now = room.membership(user)
            if now not in ("join", "invite"):
                raise Refuse(403, "M_FORBIDDEN", "not invited")
            if now == "invite":
                self.member(room, user, user, "join")
            return {"room_id": room.id}
        if what == "leave":
            if room.membership(user) in ("join", "invite"):
                self.member(room, user, user, "leave",
                            call.body.get("reason"))
            return {}
        if what == "forget":
            return {}
        if room.membership(user) != "join":
            raise Refuse(403, "M_FORBIDDEN", "not in the room")
        if what in ("invite", "kick", "ban", "unban"):
            target = call.body["user_id"]
            now = room.membership(target)
            if what == "invite" and now in ("join", "ban"):
                raise Refuse(403, "M_FORBIDDEN", "already in the room")
            if what == "kick" and now not in ("join", "invite"):
                raise Refuse(403, "M_FORBIDDEN", "not in the room")
            self.member(room, user, target, {
                "invite": "invite", "ban": "ban"}.get(what, "leave"),
                call.body.get("reason"))
            return {}
        return getattr(self, "room_" + what, self.room_other)(
            call, m, user, room, rest[2:])

    def room_other(self, call, m, user, room, rest):
        raise Refuse(404, "M_UNRECOGNIZED", call.path)

    def room_state(self, call, m, user, room, rest):
        if not rest:
            return list(room.state.values())
        key = (rest[0], rest[1] if len(rest) > 1 else "")
        old = room.state.get(key)
        if m == "GET":
            if not old:
                raise Refuse(404, "M_NOT_FOUND")
            return old["content"]
        if rest[0] == "m.room.member" and rest[1] == user and \
                call.body.get("membership") == "join" and \
                room.membership(user) not in ("join", "invite"):
            raise Refuse(403, "M_FORBIDDEN", "not invited")
        if old and old["content"] == call.body:
            return {"event_id": old["event_id"]}
        return {"event_id": self.emit(room, user, key[0], call.body, key[1])}

    def room_members(self, call, m, user, room, rest):
        return {"chunk": [e for (t, _), e in room.state.items()
                          if t == "m.room.member"]}

    def room_joined_members(self, call, m, user, room, rest):
        return {"joined": {k: {} for (t, k), e in room.state.items()
                           if t == "m.room.member"
                           and e["content"]["membership"] == "join"}}

    def once(self, call, user, room, txn, make):
        key = (user, call.query.get("device_id"), room.id, txn)
        if key not in self.sent:
            self.sent[key] = make()
        return {"event_id": self.sent[key]}

    def room_send(self, call, m, user, room, rest):
        if len(call.data) > 65000:
            raise Refuse(413, "M_TOO_LARGE")
        return self.once(call, user, room, rest[1], lambda: self.emit(
            room, user, rest[0], call.body))

    def room_redact(self, call, m, user, room, rest):
        def make():
            for _, e in room.events:
                if e["event_id"] == rest[0]:
                    e["content"] = {}
            return self.emit(room, user, "m.room.redaction",
                             dict(call.body, redacts=rest[0]),
                             redacts=rest[0])
        return self.once(call, user, room, rest[1], make)

    def room_event(self, call, m, user, room, rest):
        for _, e in room.events:
            if e["event_id"] == rest[0]:
                return e
        raise Refuse(404, "M_NOT_FOUND")

    def room_messages(self, call, m, user, room, rest):
        at = int(call.query.get("from", "s%d" % (len(self.stream) + 1))[1:])
        limit = int(call.query.get("limit", 10))
        older = [(n, e) for n, e in room.events if n < at]
        chunk = older[-limit:]
        out = {"chunk": [e for _, e in chunk[::-1]], "start": f"s{at}"}
        if len(older) > limit:
            out["end"] = f"s{chunk[0][0]}"
        return out

    def room_typing(self, call, m, user, room, rest):
        return {}

    room_receipt = room_read_markers = room_typing

    # --- sync ---

    def do_sync(self, call, m, user, rest):
        since = call.query.get("since")
        at = int(since[1:]) if since else 0
        wait = int(call.query.get("timeout", 0)) / 1000
        told = json.loads(call.query.get("filter", "{}")).get("room", {})
        mute = told.get("timeline", {}).get("not_senders", ())
        answer = self.sync_now(user, at, since is None, mute)
        if wait and since and not answer["rooms"]:
            return self.loop.create_task(self.sync_later(user, at, wait, mute))
        return answer

    async def sync_later(self, user, at, wait, mute):
        end = time.monotonic() + wait
        while True:
            left = end - time.monotonic()
            future = self.loop.create_future()
            self.waiting.append(future)
            await asyncio.wait([future], timeout=max(left, 0))
            answer = self.sync_now(user, at, False, mute)
            if answer["rooms"] or time.monotonic() >= end:
                return answer

    def sync_now(self, user, at, is_full, mute):
        rooms = {}
        if is_full:
            touched = {r.id: [] for r in self.rooms.values()}
        else:
            touched = {}
            for room, e in self.stream[at:]:
                touched.setdefault(room.id, []).append(e)
        for room_id, news in touched.items():
            room = self.rooms[room_id]
            now = room.membership(user)
            news = [e for e in news if e["sender"] not in mute]
            if not news and not is_full and now != "invite":
                continue
            if now == "join":
                joined = any(e["type"] == "m.room.member"
                             and e.get("state_key") == user
                             and e["content"]["membership"] == "join"
                             for e in news)
                timeline = news[-SYNC_LIMIT:]
                entry = {"state": {"events": [
                    e for e in room.state.values()
                    if (is_full or joined) and e["sender"] not in mute]},
                         "timeline": {"events": timeline,
                                      "limited": len(news) > SYNC_LIMIT}}
                if timeline:
                    first = next(n for n, e in room.events
                                 if e is timeline[0])
                    entry["timeline"]["prev_batch"] = f"s{first}"
                rooms.setdefault("join", {})[room_id] = entry
            elif now == "invite":
                rooms.setdefault("invite", {})[room_id] = {"invite_state": {
                    "events": self.stripped(room)
                    + [room.state["m.room.member", user]]}}
            elif now in ("leave", "ban") and not is_full:
                rooms.setdefault("leave", {})[room_id] = {
                    "timeline": {"events": [], "limited": False},
                    "state": {"events": []}}
        return {"next_batch": f"s{len(self.stream)}", "rooms": rooms}


class Wire(asyncio.Protocol):
    """One connection: HTTP/1.1 with Content-Length, calls in order."""

    def __init__(self, hs):
        self.hs, self.buffer, self.busy = hs, b"", False

    def connection_made(self, transport):
        self.transport = transport
        self.hs.transports.add(transport)
        if self.hs.cut:
            transport.abort()

    def connection_lost(self, exc):
        self.hs.transports.discard(self.transport)

    def data_received(self, data):
        self.buffer += data
        self.next()

    def next(self):
        while not self.busy:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                k, _, v = line.partition(":")
                headers[k.lower()] = v.strip()
            if "expect" in headers and "continued" not in self.__dict__:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.continued = True
            size = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + size:
                return
            self.__dict__.pop("continued", None)
            data = self.buffer[end + 4:end + 4 + size]
            self.buffer = self.buffer[end + 4 + size:]
            method, target, _ = lines[0].split(" ", 2)
            self.serve(Call(method, target, data), headers)

    def serve(self, call, headers):
        hs = self.hs
        if hs.cut:
            self.transport.abort()
            return
        hs.counted["all"] += 1
        if call.method != "GET" and "/send/" not in call.path:
            hs.counted["write"] += 1
        if hs.record:
            hs.calls.append(call)
        # Faults are for the controller; people's calls go through.
        fault = next((f for f in hs.faults if f.wants(call)), None) \
            if hs.faults and headers.get("authorization") \
            == "Bearer " + hs.as_token else None
        if fault and fault.delay:
            self.busy = True
            hs.loop.call_later(fault.delay, self.act, call, headers, fault)
        else:
            self.act(call, headers, fault)

    def act(self, call, headers, fault):
        self.busy = False
        if fault and not fault.after and (fault.status or not fault.delay):
            if fault.status is None:
                self.transport.abort()
            else:
                self.reply(call, fault.status, fault.body, fault.headers)
            return
        try:
            got = self.hs.answer(call, headers)
        except Refuse as e:
            self.reply(call, e.status, e.body)
            return
        except (KeyError, IndexError, TypeError, ValueError) as e:
            self.reply(call, 400, {"errcode": "M_BAD_JSON", "error": repr(e)})
            return
        if fault and fault.after:
            self.transport.abort()
        elif isinstance(got, asyncio.Task):
            self.busy = True
            got.add_done_callback(lambda t: self.later(call, t))
        else:
            self.reply(call, 200, got)

    def later(self, call, task):
        self.busy = False
        e = task.exception()
        if isinstance(e, Refuse):
            self.reply(call, e.status, e.body)
        elif e:
            self.reply(call, 500, {"errcode": "M_UNKNOWN", "error": repr(e)})
        else:
            self.reply(call, 200, task.result())
        self.next()

    def reply(self, call, status, body, headers=None):
        call.status, call.took = status, time.time() - call.at
        kind = "application/json"
        if isinstance(body, bytes):
            data, kind = body, "application/octet-stream"
        else:
            data = json.dumps(body).encode()
        head = (f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(data)}\r\n")
        for k, v in (headers or {}).items():
            head += f"{k}: {v}\r\n"
        self.transport.write(head.encode() + b"\r\n" + data)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--registration", required=True)
    p.add_argument("--domain", default="hiclaw.localhost")
    p.add_argument("--user", action="append", default=[],
                   metavar="NAME:PASSWORD")
    a = p.parse_args()
    hs = FakeHs(a.registration, a.domain, a.port, record=False)
    for pair in a.user:
        hs.add_user(*pair.split(":", 1))
    hs.loop = asyncio.new_event_loop()
    asyncio.set_event_loop(hs.loop)
    hs.loop.run_until_complete(hs._open())
    print(hs.url, flush=True)
    hs.loop.run_forever()


if __name__ == "__main__":
    sys.exit(main())
