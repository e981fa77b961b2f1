#!/usr/bin/env python3
"""The embedded homeserver: its configuration, its keys, its first account.

Called by ./quickstart and by the tests; uses nothing but Python's own library.

    homeserver.py config --dir D --domain N --port P --registration FILE
        writes D/homeserver.yaml, D/log.yaml and, once, D/secrets.json;
        prints "changed" when the configuration differs from what was there
    homeserver.py account --dir D --url U --user NAME [--admin] --out FILE
        makes the account (or takes up one that it made before) and writes
        user, password and access token to FILE, mode 0600
    homeserver.py secret --dir D
        prints the shared secret for making accounts
    homeserver.py wait --url U [--pid P] [--seconds N]
        until U answers 200, or the process has ended
    homeserver.py objects --url U
        one line about the controller's objects, from its metrics
"""
import argparse
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request

# Generous limits: a stack on loopback has nobody to defend itself against, and
# Synapse's own would stop a person after five logins.
PLENTY = {"per_second": 1000, "burst_count": 10000}


def write(path, text, mode=0o600):
    """Write beside and rename; True if the content is new."""
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return False
    except FileNotFoundError:
        pass
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return True


def load_secrets(directory):
    """Made once: a homeserver that forgets its secrets logs everybody out."""
    path = os.path.join(directory, "secrets.json")
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        made = {"shared": secrets.token_hex(32),
                "macaroon": secrets.token_hex(32),
                "form": secrets.token_hex(32)}
        write(path, json.dumps(made) + "\n")
        return made


def settings(a):
    """The whole of homeserver.yaml, as a dict."""
    d = os.path.abspath(a.dir)
    keys = load_secrets(a.dir)
    return {
        "server_name": a.domain,
        "public_baseurl": f"http://127.0.0.1:{a.port}/",
        "pid_file": os.path.join(d, "synapse.pid"),
        "listeners": [{
            "port": a.port, "type": "http", "tls": False,
            "bind_addresses": ["127.0.0.1"], "x_forwarded": False,
            "resources": [{"names": ["client"], "compress": False}],
        }],
        "database": {"name": "sqlite3", "args": {
            "database": os.path.join(d, "homeserver.db")}},
        "media_store_path": os.path.join(d, "media"),
        "signing_key_path": os.path.join(d, "signing.key"),
        "log_config": os.path.join(d, "log.yaml"),
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "report_stats": False,
        "enable_registration": False,
        "registration_shared_secret": keys["shared"],
        "macaroon_secret_key": keys["macaroon"],
        "form_secret": keys["form"],
        "app_service_config_files": [os.path.abspath(r)
                                     for r in a.registration],
        # Every call in the name of an agent would mark it online and push
        # that back to us.
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "allow_public_rooms_over_federation": False,
        "max_upload_size": "20M",
        "rc_message": PLENTY,
        "rc_registration": PLENTY,
        "rc_login": {"address": PLENTY, "account": PLENTY,
                     "failed_attempts": PLENTY},
        "rc_joins": {"local": PLENTY, "remote": PLENTY},
        "rc_joins_per_room": PLENTY,
        "rc_admin_redaction": PLENTY,
        "rc_invites": {"per_room": PLENTY, "per_user": PLENTY,
                       "per_issuer": PLENTY},
        "rc_room_creation": PLENTY,
        "rc_media_create": PLENTY,
    }


def log_settings(a):
    return {
        "version": 1,
        "formatters": {"line": {
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"file": {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "line", "maxBytes": 5000000, "backupCount": 2,
            "encoding": "utf8",
            "filename": os.path.join(os.path.abspath(a.dir),
                                     "homeserver.log")}},
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }


def as_yaml(d, heading):
    """One top-level key a line; the values are JSON, which is YAML too."""
    lines = [f"# {heading}"]
    lines += [f"{k}: {json.dumps(v)}" for k, v in d.items()]
    return "\n".join(lines) + "\n"


def cmd_config(a):
    os.makedirs(os.path.join(a.dir, "media"), mode=0o700, exist_ok=True)
    new = write(os.path.join(a.dir, "homeserver.yaml"), as_yaml(
        settings(a), "Written by the quick start at each start."))
    write(os.path.join(a.dir, "log.yaml"), as_yaml(
        log_settings(a), "Written by the quick start at each start."))
    print("changed" if new else "same")


def call(url, body=None, token=None, method=None):
    """(status, object) of one call; network trouble is raised."""
    req = urllib.request.Request(
        url, method=method or ("GET" if body is None else "POST"),
        data=None if body is None else json.dumps(body).encode())
    if token:
        req.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(req, timeout=60) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        try:
            return e.code, json.load(e)
        except ValueError:
            return e.code, {}


def make_account(url, shared, user, password, admin):
    base = url + "/_synapse/admin/v1/register"
    nonce = call(base)[1]["nonce"]
    parts = [nonce, user, password, "admin" if admin else "notadmin"]
    mac = hmac.new(shared.encode(), "\0".join(parts).encode(), hashlib.sha1)
    return call(base, {"nonce": nonce, "username": user, "password": password,
                       "admin": admin, "mac": mac.hexdigest()})


def login(url, user, password):
    return call(url + "/_matrix/client/v3/login", {
        "type": "m.login.password", "password": password,
        "identifier": {"type": "m.id.user", "user": user},
        "device_id": "QUICKSTART",
        "initial_device_display_name": "HiClaw quick start"})


def cmd_account(a):
    """Safe twice, also when killed between the two halves: the password is
    written down before the account is made."""
    try:
        with open(a.out, encoding="utf-8") as f:
            kept = json.load(f)
    except FileNotFoundError:
        kept = {"user": a.user, "password": secrets.token_hex(12)}
        write(a.out, json.dumps(kept) + "\n")
    if kept.get("token"):
        status, who = call(a.url + "/_matrix/client/v3/account/whoami",
                           token=kept["token"])
        if status == 200:
            print(who["user_id"])
            return
    shared = load_secrets(a.dir)["shared"]
    status, body = make_account(a.url, shared, a.user, kept["password"],
                                a.admin)
    if status != 200 and body.get("errcode") != "M_USER_IN_USE":
        sys.exit(f"the homeserver refused to make @{a.user}: "
                 f"{status} {body.get('error', body)}")
    status, body = login(a.url, a.user, kept["password"])
    if status != 200:
        sys.exit(f"cannot sign in as @{a.user} with the password in {a.out}: "
                 f"{status} {body.get('error', body)}; "
                 "was it changed? Put the new one into that file.")
    kept.update(user_id=body["user_id"], token=body["access_token"])
    write(a.out, json.dumps(kept) + "\n")
    print(body["user_id"])


def cmd_secret(a):
    print(load_secrets(a.dir)["shared"])


def cmd_wait(a):
    end = time.monotonic() + a.seconds
    while time.monotonic() < end:
        if a.pid and not os.path.exists(f"/proc/{a.pid}"):
            sys.exit("the process has ended")
        try:
            with urllib.request.urlopen(a.url, timeout=5) as r:
                if r.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"no answer from {a.url} in {a.seconds} s")


def cmd_objects(a):
    counts = {}
    with urllib.request.urlopen(a.url, timeout=5) as r:
        for line in r.read().decode().splitlines():
            m = re.match(r'hiclaw_objects\{state="(\w+)"\} (\d+)', line)
            if m and int(m[2]):
                counts[m[1]] = int(m[2])
    if counts:
        print(f"objects {sum(counts.values())}: "
              + ", ".join(f"{n} {k}" for k, n in sorted(counts.items())))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = p.add_subparsers(dest="command", required=True)
    c = sub.add_parser("config")
    c.add_argument("--dir", required=True)
    c.add_argument("--domain", required=True)
    c.add_argument("--port", type=int, required=True)
    c.add_argument("--registration", action="append", default=[])
    c = sub.add_parser("account")
    c.add_argument("--dir", required=True)
    c.add_argument("--url", required=True)
    c.add_argument("--user", required=True)
    c.add_argument("--admin", action="store_true")
    c.add_argument("--out", required=True)
    c = sub.add_parser("secret")
    c.add_argument("--dir", required=True)
    c = sub.add_parser("objects")
    c.add_argument("--url", required=True)
    c = sub.add_parser("wait")
    c.add_argument("--url", required=True)
    c.add_argument("--pid", type=int)
    c.add_argument("--seconds", type=float, default=60)
    a = p.parse_args()
    os.umask(0o077)
    {"config": cmd_config, "account": cmd_account, "secret": cmd_secret,
     "wait": cmd_wait, "objects": cmd_objects}[a.command](a)


if __name__ == "__main__":
    main()
