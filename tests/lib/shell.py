"""One provider by hand: provider-shell.c, driven from a test.

    sh = Shell("minio", {"storage": {"provider": "minio", "url": ...}})
    sh.ensure("user:alice", {"name": "alice", ...}, secrets={"secret": "x"})
    sh.close()

What was observed of a key is kept and given along next time, as the engine
does; pass observed=... for something else.
"""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEEP = object()


def program():
    """It is built beside the controller."""
    controller = os.environ.get(
        "HICLAW_CONTROLLER", str(ROOT / "build-check" / "hiclaw-controller"))
    return os.environ.get("HICLAW_PROVIDER_SHELL") or \
        str(pathlib.Path(controller).parent / "provider-shell")


class Failed(AssertionError):
    """The provider answered -1."""

    def __init__(self, err):
        super().__init__(f"{err['kind']}: {err['msg']}")
        self.kind, self.msg = err["kind"], err["msg"]


class Shell:
    def __init__(self, provider, settings, env=None):
        settings = {"templates_dir": str(ROOT / "templates"), **settings}
        self.log = tempfile.TemporaryFile()
        self.proc = subprocess.Popen(
            [program(), provider, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env=dict(os.environ, **(env or {})))
        self.observed, self.calls, self.writes = {}, 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            self.proc.kill()
            self.proc.wait()
            print(self.stderr())
            self.log.close()
        else:
            self.close()

    def stderr(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def ask(self, **request):
        """One line there, one back."""
        try:
            self.proc.stdin.write(json.dumps(request).encode() + b"\n")
            self.proc.stdin.flush()
            line = self.proc.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.proc.wait()
            raise AssertionError(
                f"provider-shell ended: {self.proc.returncode}\n"
                + self.stderr())
        answer = json.loads(line)
        self.calls, self.writes = answer["calls"], answer["writes"]
        return answer

    def _take(self, key, answer):
        if answer["rc"] == 0 or answer["observed"] is not None:
            self.observed[key] = answer["observed"]

    def _work(self, key, desired, observed, secrets, may_exist):
        if observed is KEEP:
            observed = self.observed.get(key)
        return {"key": key, "desired": desired, "observed": observed,
                "secrets": secrets, "may_exist": may_exist}

    def attempt(self, do, key, desired=None, observed=KEEP, secrets=None,
                may_exist=False):
        """The whole answer, whatever came of it."""
        answer = self.ask(do=do, **self._work(key, desired, observed,
                                              secrets, may_exist))
        if "observed" in answer:
            self._take(key, answer)
        return answer

    def ensure(self, key, desired, **kw):
        """Make it so; what was done.  Nothing may be left over."""
        answer = self.attempt("ensure", key, desired, **kw)
        if answer["rc"] != 0:
            raise Failed(answer["err"])
        assert answer["left"] == [], answer["left"]
        return answer["did"]

    def remove(self, key, **kw):
        answer = self.attempt("remove", key, **kw)
        if answer["rc"] != 0:
            raise Failed(answer["err"])
        return answer["did"]

    def many(self, do, works):
        """{key: desired}, or {key: (desired, secrets)}; answers by key."""
        sent = []
        for key, w in works.items():
            desired, secrets = w if isinstance(w, tuple) else (w, None)
            sent.append(self._work(key, desired, KEEP, secrets, False))
        answer = self.ask(do=do, works=sent)
        if "deeds" not in answer:
            raise Failed(answer["err"])
        for w, a in zip(sent, answer["deeds"]):
            self._take(w["key"], a)
        return dict(zip(works, answer["deeds"]))

    def observe(self, items=None):
        """Look; what is no longer as observed, taken over."""
        if items is None:
            items = {k: v for k, v in self.observed.items() if v}
        answer = self.ask(do="observe", items=items)
        if answer["rc"] != 0:
            raise Failed(answer["err"])
        self.observed.update(answer["changed"])
        return answer["changed"]

    def query(self, **question):
        answer = self.ask(do="query", question=question)
        if answer["rc"] != 0:
            raise Failed(answer["err"])
        return answer["answer"]

    def left(self, key, desired, observed=KEEP):
        if observed is KEEP:
            observed = self.observed.get(key)
        return self.ask(do="diff", key=key, desired=desired,
                        observed=observed)["left"]

    def close(self, *secrets):
        """End it; it must have been healthy and have told no secret."""
        self.proc.stdin.close()
        code = self.proc.wait(30)
        self.proc.stdout.close()
        text = self.stderr()
        self.log.close()
        assert code == 0, f"exit status {code}\n{text}"
        for s in secrets:
            assert s not in text, "a secret is in the log"
        return text
