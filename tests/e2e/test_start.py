"""Start and end: what is wrong is said plainly, with the right exit status."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
import stack as stacks
from client import eventually

EX_USAGE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 64, 74, 75, 78


def run(*args, env=None, timeout=60):
    out = subprocess.run([stacks.controller_path(), *args], text=True,
                         capture_output=True, timeout=timeout,
                         env=dict(os.environ, **(env or {})))
    return out.returncode, out.stdout + out.stderr


def changed(stack, tmp_path, change):
    """A configuration of its own with something wrong in it."""
    settings = json.loads(stack.controller.config.read_text())
    settings["database"] = str(tmp_path / "hiclaw.db")
    settings["listen"] = f"127.0.0.1:{stacks.free_ports(1)[0]}"
    change(settings)
    path = tmp_path / "controller.yaml"
    path.write_text(json.dumps(settings) + "\n")
    return str(path)


def test_version_and_help():
    code, text = run("--version")
    assert code == 0 and text.startswith("hiclaw-controller ")
    code, text = run("--help")
    assert code == 0 and "--config" in text
    code, text = run("--frobnicate")
    assert code == EX_USAGE


def test_exports():
    code, text = run("--print-crds")
    assert code == 0 and text.count("kind: CustomResourceDefinition") == 4
    code, text = run("--print-schema")
    assert code == 0 and "$schema" in json.loads(text)
    code, text = run("--explain", "worker.spec.model")
    assert code == 0 and "model" in text
    code, text = run("--explain", "worker.spec.modle")
    assert code != 0 and "model" in text


def test_registration(tmp_path):
    code, text = run("--generate-registration", "--domain", "a.example",
                     "--url", "http://127.0.0.1:1", "--prefix", "hiclaw")
    assert code == 0
    assert text.endswith("\n")
    for word in ("rate_limited: false", "_hiclaw_as", "exclusive: true"):
        assert word in text
    _, again = run("--generate-registration", "--domain", "a.example",
                   "--url", "http://127.0.0.1:1")
    assert again != text, "tokens and id are made anew"


def test_check_and_print_config(stack, tmp_path):
    config = changed(stack, tmp_path, lambda s: None)
    code, text = run("--config", config, "--check-config")
    assert code == 0, text
    code, text = run("--config", config, "--print-config")
    assert code == 0
    assert stack.hs.shared_secret not in text
    code, text = run("--config", config, "--print-config",
                     env={"HICLAW_CFG_LOG_LEVEL": "error"})
    assert code == 0 and "error" in text


@pytest.mark.parametrize("change,words", [
    (lambda s: s.update(databse="/x"), ["databse", "database"]),
    (lambda s: s["homeserver"].update(registration="/nowhere.yaml"),
     ["/nowhere.yaml"]),
    (lambda s: s.update(admins=["admin"]), ["admin"]),
    (lambda s: s["homeserver"].update(domain="other.example"),
     ["other.example"]),
    (lambda s: s["homeserver"].pop("url"), ["url"]),
], ids=["unknown-key", "no-registration", "bad-admin", "namespace", "no-url"])
def test_check_config_says_what_is_wrong(stack, tmp_path, change, words):
    config = changed(stack, tmp_path, change)
    code, text = run("--config", config, "--check-config")
    assert code == EX_CONFIG, (code, text)
    for word in words:
        assert word in text, text


def test_unknown_override_is_an_error(stack, tmp_path):
    config = changed(stack, tmp_path, lambda s: None)
    code, text = run("--config", config, "--check-config",
                     env={"HICLAW_CFG_LOG_LEVLE": "error"})
    assert code == EX_CONFIG and "HICLAW_CFG_LOG_LEVLE" in text


def test_wrong_token(stack, tmp_path):
    """The homeserver does not know this registration."""
    reg = tmp_path / "registration.yaml"
    reg.write_text(stack.registration.read_text().replace(
        stack.as_token, "0" * len(stack.as_token)))
    config = changed(stack, tmp_path, lambda s: s["homeserver"].update(
        registration=str(reg)))
    code, text = run("--config", config)
    assert code == EX_CONFIG, (code, text)
    assert "as_token" in text


def test_wrong_hs_token(stack, tmp_path):
    """The homeserver's ping comes with another token than ours."""
    stack.controller.stop()
    reg = tmp_path / "registration.yaml"
    reg.write_text(stack.registration.read_text().replace(
        stack.hs_token, "0" * len(stack.hs_token)))
    config = changed(stack, tmp_path, lambda s: (
        s["homeserver"].update(registration=str(reg)),
        s.update(listen=f"127.0.0.1:{stack.ctl_port}")))
    try:
        code, text = run("--config", config)
        assert code == EX_CONFIG, (code, text)
        assert "hs_token" in text
    finally:
        stack.controller.start()


def test_not_a_homeserver(stack, tmp_path):
    config = changed(stack, tmp_path, lambda s: s["homeserver"].update(
        url=stack.controller.url))
    code, text = run("--config", config)
    assert code == EX_CONFIG, (code, text)
    assert "homeserver.url" in text


def test_second_controller_refuses(stack):
    """On the same database; the first is not disturbed."""
    code, text = run("--config", str(stack.controller.config))
    assert code not in (0, None), text
    assert str(stack.controller.process.pid) in text, text
    assert stack.ask("@hiclaw version").state == "info"


def test_wrong_requests(stack):
    """Only the homeserver is listened to."""
    import client
    api = client.Api(stack.controller.url)
    path = "/_matrix/app/v1/transactions/x1"
    body = json.dumps({"events": []}).encode()
    for headers, allowed in (
            ({}, (401, 403)),
            ({"Authorization": "Bearer wrong"}, (403,)),
            ({"Authorization": "Bearer " + stack.hs_token}, (200,))):
        status, _, raw = api.raw("PUT", path, body, headers)
        assert status in allowed, (status, raw)
    good = {"Authorization": "Bearer " + stack.hs_token}
    assert api.raw("PUT", path + "2", b"{", good)[0] == 400
    assert api.raw("PUT", path + "3", b"[]", good)[0] == 400
    assert api.raw("GET", "/_matrix/app/v1/users/%40nobody%3Ax", None,
                   good)[0] == 404
    assert api.raw("GET", "/_matrix/app/v1/rooms/%23nobody%3Ax", None,
                   good)[0] == 404
    status, _, raw = api.raw("GET", "/nothing")
    assert status == 404 and b"M_UNRECOGNIZED" in raw
    status, _, raw = api.raw("DELETE", path, None, good)
    assert status == 405 and b"M_UNRECOGNIZED" in raw
    assert api.raw("GET", "/healthz")[2].strip() == b"ok"


def test_sigterm_ends_well(stack):
    stack.settle()
    start = time.time()
    assert stack.controller.stop() == 0
    assert time.time() - start < 10
    stack.controller.start()


def test_sigint_ends_well(stack):
    stack.controller.process.send_signal(signal.SIGINT)
    assert stack.controller.wait_end(15) == 0
    stack.controller.start()


def test_corrupt_database_is_refused(stack, tmp_path):
    def change(s):
        (tmp_path / "hiclaw.db").write_bytes(b"this is no database" * 500)
    config = changed(stack, tmp_path, change)
    code, text = run("--config", config)
    assert code not in (0, -6, -11), text
    assert "hiclaw.db" in text


def test_newer_database_is_refused(stack, tmp_path):
    """Migrations go forward only."""
    assert stack.controller.stop() == 0
    shutil.copy(stack.controller.database, tmp_path / "hiclaw.db")
    stack.controller.start()
    import sqlite3
    db = sqlite3.connect(tmp_path / "hiclaw.db")
    db.execute("PRAGMA user_version = 9999")
    db.commit()
    db.close()
    config = changed(stack, tmp_path, lambda s: s.update(
        secrets_key=str(tmp_path / "key")))
    code, text = run("--config", config)
    assert code not in (0, -6, -11), text
    assert "newer" in text or "version" in text, text
