#!/usr/bin/env python3
"""The least that a homeserver can be asked for N workers, as a yardstick: per
worker one register, one createRoom with everything in it, and the joins of the
agent and of the manager.  Four calls; nothing is looked at, nothing is repeated.

Prints one line of JSON: workers, wall_s, workers_per_s, calls_per_worker.
"""
import argparse
import json
import pathlib
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from client import Api, MatrixError, quote  # noqa: E402


def register(api, name, device=None):
    body = {"type": "m.login.application_service", "username": name}
    if device:
        body["device_id"] = device
    else:
        body["inhibit_login"] = True
    try:
        api.post("/register", body)
    except MatrixError as e:
        if e.errcode != "M_USER_IN_USE" or device:
            raise


def room_body(name, agent, manager, human):
    return {
        "room_version": "12", "preset": "private_chat", "name": name,
        "topic": "A room of the yardstick", "room_alias_name": name,
        "creation_content": {"m.federate": False},
        "invite": [agent, manager, human],
        "initial_state": [
            {"type": "io.hiclaw.object", "state_key": "ideal",
             "content": {"key": "room:ideal/" + name}},
            {"type": "m.room.guest_access", "state_key": "",
             "content": {"guest_access": "forbidden"}}],
        "power_level_content_override": {
            "users": {human: 100, manager: 50}, "users_default": 0,
            "events_default": 0, "state_default": 75, "invite": 75,
            "kick": 75, "ban": 75, "redact": 50,
            "events": {"m.room.power_levels": 100, "m.room.tombstone": 150}},
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--homeserver", required=True)
    p.add_argument("--as-token", required=True)
    p.add_argument("--workers", type=int, default=10)
    p.add_argument("--concurrency", type=int, default=4)
    p.add_argument("--prefix", default="hiclaw_")
    p.add_argument("--bot", default="hiclaw")
    p.add_argument("--json", action="store_true", help="always so")
    a = p.parse_args()

    domain = Api(a.homeserver, a.as_token).get(
        "/account/whoami")["user_id"].split(":", 1)[1]
    service = Api(a.homeserver, a.as_token)
    for name in (a.bot, a.prefix + "ideal-manager", a.prefix + "ideal-human"):
        register(service, name)
    bot = f"@{a.bot}:{domain}"
    manager, human = (f"@{a.prefix}ideal-{x}:{domain}"
                      for x in ("manager", "human"))
    run, lock = uuid.uuid4().hex[:6], threading.Lock()
    todo, calls, trouble = iter(range(a.workers)), [0], []

    def one(api, i):
        name = f"{a.prefix}{run}-{i}"
        agent = f"@{name}:{domain}"
        register(api, name, "IDEAL")
        room = quote(api.post("/createRoom", room_body(
            name, agent, manager, human), user_id=bot)["room_id"])
        api.post(f"/rooms/{room}/join", user_id=agent)
        api.post(f"/rooms/{room}/join", user_id=manager)

    def worker():
        api = Api(a.homeserver, a.as_token)
        while not trouble:
            with lock:
                i = next(todo, None)
            if i is None:
                return
            try:
                one(api, i)
            except (MatrixError, OSError) as e:
                trouble.append(e)
            with lock:
                calls[0] += 4

    threads = [threading.Thread(target=worker) for _ in range(a.concurrency)]
    start = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wall = time.perf_counter() - start
    if trouble:
        sys.exit(f"ideal: {trouble[0]}")
    print(json.dumps({"workers": a.workers, "wall_s": round(wall, 3),
                      "workers_per_s": round(a.workers / wall, 2),
                      "calls_per_worker": calls[0] / a.workers}))


if __name__ == "__main__":
    sys.exit(main())
