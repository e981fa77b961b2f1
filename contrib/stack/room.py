#!/usr/bin/env python3
"""What the quick start does in rooms, as the admin, through the client-server
API: accept invitations, post a manifest and follow its run, tell what is there.

    room.py join   --account FILE --url U --domain D [--seconds N]
        waits for the admin room, joins it, prints its id
    room.py paste  --account FILE --url U --domain D --room R MANIFEST
        posts the file; exit 0 done or nothing to do, 1 failed or refused,
        2 a question is open (its number is printed)
    room.py accept --account FILE --url U --domain D
    room.py built  --account FILE --url U --domain D
        lists the rooms and their members
    room.py ask    --account FILE --url U --domain D QUESTION
        mentions the first worker that shares a room with the admin and prints
        what it answers there
    room.py name   ... --room R

The controller marks each answer with `io.hiclaw.reply`: {"for": event id of
the command, "state": running|done|failed|refused|question|info, "question"}.
"""
import argparse
import html
import json
import os
import random
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

V3 = "/_matrix/client/v3"
INLINE_MAX = 40000      # bytes of a message; larger files are attached
ANSWER_S = 60           # for a first sign of life
RUN_S = 300             # between two signs of life of a run
REPLY = "io.hiclaw.reply"
FINAL = {"done": 0, "info": 0, "failed": 1, "refused": 1, "question": 2}


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body.get('errcode', '')} "
                         f"{body.get('error', '')}".strip())
        self.status, self.errcode = status, body.get("errcode", "")


class Client:
    def __init__(self, a):
        with open(a.account, encoding="utf-8") as f:
            kept = json.load(f)
        self.url, self.token, self.me = a.url, kept["token"], kept["user_id"]
        self.domain = a.domain
        self.bot = f"@{a.bot}:{a.domain}"

    def call(self, method, path, body=None, query=None, raw=None, timeout=70):
        url = self.url + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = raw if raw is not None else (
            None if body is None else json.dumps(body).encode())
        req = urllib.request.Request(url, method=method, data=data)
        req.add_header("Authorization", "Bearer " + self.token)
        if raw is not None:
            req.add_header("Content-Type", "application/yaml")
        try:
            with urllib.request.urlopen(req, timeout=timeout) as r:
                return json.load(r)
        except urllib.error.HTTPError as e:
            try:
                answer = json.load(e)
            except ValueError:
                answer = {}
            raise Refused(e.code, answer) from None

    def sync(self, since=None, wait_ms=0):
        query = {"timeout": wait_ms, "set_presence": "offline",
                 "filter": json.dumps({
                     "presence": {"types": []}, "account_data": {"types": []},
                     "room": {"timeline": {"limit": 100 if since else 1},
                              "state": {"lazy_load_members": True},
                              "ephemeral": {"types": []}}})}
        if since:
            query["since"] = since
        else:
            # Synapse remembers the answer to equal first syncs for minutes.
            query["timeout"] = random.randrange(1, 1 << 30)
        return self.call("GET", V3 + "/sync", query=query)

    def accept(self, answer):
        """Join the rooms of a sync answer that the bot invited us to."""
        joined = 0
        for room, r in answer.get("rooms", {}).get("invite", {}).items():
            events = r.get("invite_state", {}).get("events", [])
            if any(e["type"] == "m.room.member" and e["sender"] == self.bot
                   and e.get("state_key") == self.me for e in events):
                try:
                    self.call("POST", f"{V3}/rooms/{quote(room)}/join", {})
                    joined += 1
                except Refused as e:
                    # The room may be gone by now; that is no loss.
                    print(f"cannot join {room}: {e}", file=sys.stderr)
        return joined


def quote(s):
    return urllib.parse.quote(s, safe="")


def settled(url):
    """Has the controller nothing in hand?  True also if it does not say."""
    try:
        with urllib.request.urlopen(url + "/metrics", timeout=5) as r:
            text = r.read().decode()
    except OSError:
        return True
    return not re.search(
        r'^hiclaw_objects\{state="(busy|waiting|dirty)"\} [1-9]', text, re.M)


def accept_all(c, controller=None):
    """Every invitation of the bot; what it has in hand may be one more."""
    end = time.monotonic() + 15
    calm = 0
    while controller and calm < 3 and time.monotonic() < end:
        calm = calm + 1 if settled(controller) else 0
        time.sleep(0.1)
    n, since = 0, None
    while True:
        answer = c.sync(since)
        since = answer["next_batch"]
        got = c.accept(answer)
        n += got
        if not got:
            return n


def cmd_join(c, a):
    """The room exists as soon as its alias does; the invitation may follow."""
    alias = quote(f"#{a.bot}_admin:{c.domain}")
    end, why = time.monotonic() + a.seconds, "it does not exist yet"
    while time.monotonic() < end:
        try:
            room = c.call("GET", f"{V3}/directory/room/{alias}")["room_id"]
            c.call("POST", f"{V3}/rooms/{quote(room)}/join", {})
            print(room)
            return 0
        except Refused as e:
            why = str(e)
        time.sleep(0.2)
    print(f"could not enter the admin room in {a.seconds:.0f} s: {why}",
          file=sys.stderr)
    return 1


class Screen:
    """Shows the live message: redrawn in a terminal, a line per change else."""

    def __init__(self):
        self.tty = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn, self.last = 0, None

    def show(self, text, is_final=False):
        lines = [x.rstrip() for x in text.strip().splitlines()]
        if self.tty:
            width = shutil.get_terminal_size().columns - 4
            if self.drawn:
                sys.stdout.write(f"\x1b[{self.drawn}F\x1b[J")
            cut = [x if len(x) <= width or is_final else x[:width - 1] + "…"
                   for x in lines]
            sys.stdout.write("".join(f"  {x}\n" for x in cut))
            self.drawn = 0 if is_final else len(cut)
        else:
            # The steps once; then only where it stands, which comes last.
            told = lines if self.last is None or is_final else \
                [" ".join(lines[-2:])]
            if told != self.last:
                print("".join(f"  {x}\n" for x in told), end="")
            self.last = told
        sys.stdout.flush()


def post(c, room, path):
    """Inline in a fence when it fits and is text, else as an attachment."""
    with open(path, "rb") as f:
        data = f.read()
    name = os.path.basename(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    content = None
    if text is not None and "```" not in text and "\0" not in text:
        body = "```yaml\n" + text.rstrip("\n") + "\n```"
        content = {"msgtype": "m.text", "body": body, "m.mentions": {}}
        pretty = dict(content, format="org.matrix.custom.html",
                      formatted_body='<pre><code class="language-yaml">'
                      + html.escape(text, quote=False) + "</code></pre>\n")
        if len(json.dumps(pretty)) <= INLINE_MAX:
            content = pretty
        elif len(json.dumps(content)) > INLINE_MAX:
            content = None
    if content is None:
        mxc = c.call("POST", "/_matrix/media/v3/upload",
                     query={"filename": name}, raw=data)["content_uri"]
        content = {"msgtype": "m.file", "body": name, "filename": name,
                   "url": mxc, "m.mentions": {},
                   "info": {"mimetype": "application/yaml",
                            "size": len(data)}}
    return c.call("PUT", f"{V3}/rooms/{quote(room)}/send/m.room.message/"
                  + uuid.uuid4().hex, content)["event_id"]


def replies(c, events, ours):
    """(reply, text) of each message or edit that answers our event."""
    for e in events:
        if e["type"] != "m.room.message" or e["sender"] != c.bot:
            continue
        content = e["content"].get("m.new_content") or e["content"]
        reply = content.get(REPLY) or e["content"].get(REPLY)
        if isinstance(reply, dict) and reply.get("for") == ours:
            yield reply, content.get("body", "")


def newer(c, room, since):
    """Events of the room after this token, and the next token.  Looking at
    one room now and then is much less work for the homeserver than a sync,
    which would wake up for every invitation of a large run."""
    page = c.call("GET", f"{V3}/rooms/{quote(room)}/messages", query={
        "dir": "f", "from": since, "limit": 100})
    return page["chunk"], page.get("end", since)


def follow(c, a, since, ours):
    """Show the run until its end; the exit status."""
    screen, last, result = Screen(), "", None
    start = time.monotonic()
    end = start + ANSWER_S
    while result is None and time.monotonic() < end:
        events, since = newer(c, a.room, since)
        for reply, last in replies(c, events, ours):
            end = time.monotonic() + RUN_S
            result = FINAL.get(reply.get("state"))
            screen.show(last, is_final=result is not None)
            if result == 2:
                print(f"question {reply.get('question', '')}")
            if result is not None:
                return result
        if not events:
            time.sleep(0.2 if time.monotonic() < start + 10 else 0.5)
    print(last or "the controller has not answered; look at its log",
          file=sys.stderr)
    return 1


def cmd_paste(c, a):
    since = c.sync()["next_batch"]
    try:
        ours = post(c, a.room, a.manifest)
    except OSError as e:
        print(f"{a.manifest}: {e.strerror}", file=sys.stderr)
        return 1
    except Refused as e:
        print(f"the homeserver did not take the message: {e}", file=sys.stderr)
        return 1
    result = follow(c, a, since, ours)
    accept_all(c, a.controller)
    return result


def cmd_accept(c, a):
    print(accept_all(c, a.controller))
    return 0


def state_of(c, room):
    """Name, alias, type, members of one room.  The admin of the quick start
    administers its homeserver too, and so sees rooms that it is not in."""
    out = {"name": room, "alias": "", "space": False, "members": []}
    for e in c.call("GET", f"/_synapse/admin/v1/rooms/{quote(room)}/state")[
            "state"]:
        t, content = e["type"], e["content"]
        if t == "m.room.name":
            out["name"] = content.get("name") or room
        elif t == "m.room.canonical_alias":
            out["alias"] = content.get("alias", "")
        elif t == "m.room.create":
            out["space"] = content.get("type") == "m.space"
        elif t == "m.room.member":
            m = content.get("membership")
            if m in ("join", "invite") and e["state_key"] != c.bot:
                who = e["state_key"][1:].split(":")[0]
                out["members"].append(who + ("?" if m == "invite" else ""))
    return out


def cmd_built(c, a):
    listed = c.call("GET", "/_synapse/admin/v1/rooms",
                    query={"limit": 200, "order_by": "name"})
    rooms = [state_of(c, r["room_id"]) for r in listed["rooms"]
             if r["creator"] == c.bot and r["joined_local_members"]]
    rooms.sort(key=lambda r: (not r["space"], not r["alias"], r["alias"]))
    width = max([len(r["name"]) for r in rooms] + [4])
    for r in rooms:
        kind = "space" if r["space"] else "room" if r["alias"] else "chat"
        print(f"  {kind:5}  {r['name']:{width}}  "
              + ", ".join(sorted(r["members"])))
    if listed["total_rooms"] > len(listed["rooms"]):
        print(f"  and more: {listed['total_rooms']} rooms in all")
    if any(m.endswith("?") for r in rooms for m in r["members"]):
        print("  (a name with ? is invited and has not come yet)")
    return 0


def worker_room(c, a):
    """(room id, Matrix id) of a worker whose room the admin is in."""
    mark = f"{a.bot}_worker_"
    for room in c.call("GET", f"{V3}/joined_rooms")["joined_rooms"]:
        r = state_of(c, room)
        alias = r["alias"][1:].split(":")[0]
        if alias.startswith(mark):
            return room, f"@{a.bot}_{alias[len(mark):]}:{c.domain}"
    return None, None


def mention(c, room, user, text):
    name = user[1:].split(":")[0]
    link = f'<a href="https://matrix.to/#/{user}">{name}</a>'
    return c.call("PUT", f"{V3}/rooms/{quote(room)}/send/m.room.message/"
                  + uuid.uuid4().hex, {
                      "msgtype": "m.text", "body": f"{name}: {text}",
                      "format": "org.matrix.custom.html",
                      "formatted_body": f"{link}: {html.escape(text)}",
                      "m.mentions": {"user_ids": [user]}})["event_id"]


def answer_of(c, room, user, since):
    """What it says; it may write its answer piece by piece."""
    said, changed = None, time.monotonic()
    end = changed + ANSWER_S
    while time.monotonic() < end:
        events, since = newer(c, room, since)
        for e in events:
            if e["sender"] == user and e["type"] == "m.room.message":
                content = e["content"].get("m.new_content") or e["content"]
                said, changed = content.get("body", ""), time.monotonic()
        if said and time.monotonic() - changed > 2:
            return said
        time.sleep(0.2)
    return said


def cmd_ask(c, a):
    accept_all(c, a.controller)
    room, user = worker_room(c, a)
    if not room:
        print("no worker shares a room with the admin", file=sys.stderr)
        return 1
    name = state_of(c, room)["name"]
    print(f"In the room {name}:")
    print(f"  {c.me[1:].split(':')[0]}: {user[1:].split(':')[0]}, "
          f"{a.question}", flush=True)
    since = c.sync()["next_batch"]
    mention(c, room, user, a.question)
    said = answer_of(c, room, user, since)
    if not said:
        print(f"{user} has not answered in {ANSWER_S} s", file=sys.stderr)
        return 1
    print(f"  {user[1:].split(':')[0]}: {' '.join(said.split())}")
    return 0


def cmd_name(c, a):
    print(state_of(c, a.room)["name"])
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = p.add_subparsers(dest="command", required=True)
    for name in ("join", "paste", "accept", "built", "ask", "name"):
        s = sub.add_parser(name)
        s.add_argument("--account", required=True)
        s.add_argument("--url", required=True)
        s.add_argument("--domain", required=True)
        s.add_argument("--bot", default="hiclaw", help="local part")
        s.add_argument("--controller", help="its URL")
        if name == "join":
            s.add_argument("--seconds", type=float, default=60)
        if name in ("paste", "name"):
            s.add_argument("--room", required=True)
        if name == "paste":
            s.add_argument("manifest")
        if name == "ask":
            s.add_argument("question")
    a = p.parse_args()
    try:
        return {"join": cmd_join, "paste": cmd_paste, "accept": cmd_accept,
                "built": cmd_built, "ask": cmd_ask, "name": cmd_name}[a.command](Client(a), a)
    except Refused as e:
        print(f"the homeserver refused: {e}", file=sys.stderr)
    except (urllib.error.URLError, OSError) as e:
        print(f"no answer from {a.url}: {getattr(e, 'reason', e)}",
              file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
