"""A real Envoy on files that the controller (or a provider by hand) wrote, and
requests through it."""
import concurrent.futures
import http.client
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

import stack


def program():
    return os.environ.get("HICLAW_ENVOY") or \
        str(pathlib.Path(sys.executable).parent / "envoy")


class Envoy:
    def __init__(self, directory, port):
        self.dir, self.port = pathlib.Path(directory), port
        self.url = f"http://127.0.0.1:{port}"
        self.log, self.process = self.dir.parent / "envoy.log", None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program(), "-c", str(self.dir / "bootstrap.json"),
                 "--concurrency", "1", "--use-dynamic-base-id", "-l", "warn"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        limit = time.monotonic() + 30
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                if self.status("/v1") is not None:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("Envoy did not start:\n" + stack.tail(self.log))

    def stop(self):
        stack.end(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def ask(self, path, key=None, method="GET", body=None, headers=None,
            timeout=20):
        """Status, headers and body of one request."""
        c = http.client.HTTPConnection("127.0.0.1", self.port,
                                       timeout=timeout)
        try:
            h = dict(headers or {})
            if key:
                h["Authorization"] = f"Bearer {key}"
            c.request(method, path, body=body, headers=h)
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, \
                r.read()
        finally:
            c.close()

    def status(self, path, key=None, **kw):
        return self.ask(path, key, **kw)[0]


class Load:
    """Requests without a pause over some connections that stay open, until it is
    stopped; counts statuses and failures."""

    def __init__(self, envoy, path, key, threads=4):
        self.envoy, self.path, self.key = envoy, path, key
        self.counts, self.failures = {}, []
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)
        self._threads = threads

    def __enter__(self):
        self._futures = [self._pool.submit(self._run)
                         for _ in range(self._threads)]
        return self

    def _run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.envoy.port,
                                       timeout=10)
        while not self._stop.is_set():
            key = self.key() if callable(self.key) else self.key
            try:
                c.request("POST", self.path, body=b"{}", headers={
                    "Authorization": f"Bearer {key}"})
                r = c.getresponse()
                r.read()
                status = r.status
            except (OSError, http.client.HTTPException) as e:
                status = type(e).__name__
                c.close()
            with self._lock:
                self.counts[status] = self.counts.get(status, 0) + 1
                if status != 200:
                    self.failures.append((time.monotonic(), status))
        c.close()

    def __exit__(self, *exc):
        self._stop.set()
        self._pool.shutdown(wait=True)


def quote(name):
    return urllib.parse.quote(name, safe="")
