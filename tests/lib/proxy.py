"""A reverse proxy between the controller and its homeserver (or another system)
that writes down every call, so that tests count what went over the wire and
not what the program says about itself.  It can also answer in the homeserver's
place, or pretend that the wire is cut.
"""
import asyncio
import json
import re
import threading
import time
import urllib.parse

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length",
       "expect", "host"}


class Call:
    def __init__(self, method, target, data):
        self.at, self.took, self.status = time.time(), 0.0, None
        self.method, self.data = method, data
        parts = urllib.parse.urlsplit(target)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.user = self.query.get("user_id")

    @property
    def body(self):
        try:
            return json.loads(self.data)
        except ValueError:
            return {}

    @property
    def name(self):
        """The call with its ids taken out: PUT rooms/R/state/m.room.name."""
        p = urllib.parse.unquote(re.sub(
            r"^/_matrix/(client/(v\d+|unstable)|media/v\d+|client)/", "",
            self.path))
        p = re.sub(r"^rooms/[^/]+", "rooms/R", p)
        p = re.sub(r"/send/([^/]+)/.*", r"/send/\1", p)
        p = re.sub(r"/redact/.*", "/redact", p)
        p = re.sub(r"/(state/[^/]+)/?(.*)", r"/\1", p)
        p = re.sub(r"^(profile|user)/[^/]+", r"\1/U", p)
        p = re.sub(r"^directory/room/.*", "directory/room/A", p)
        p = re.sub(r"^join/.*", "join/R", p)
        p = re.sub(r"^devices/.*", "devices/D", p)
        p = re.sub(r"receipt/m.read/.*", "receipt/m.read", p)
        return f"{self.method} {p}"

    @property
    def room(self):
        m = re.search(r"/rooms/([^/]+)", self.path)
        return urllib.parse.unquote(m[1]) if m else None

    @property
    def state_key(self):
        m = re.search(r"/state/[^/]+/(.*)", self.path)
        return urllib.parse.unquote(m[1]) if m else None

    @property
    def writes(self):
        """Does it change anything but what is said in rooms?  Commands are
        told in their state, whenever nothing else goes on."""
        if self.method in ("GET", "HEAD"):
            return False
        return not re.search(r"/send/|/redact/|/typing/|/receipt/|/ping$"
                             r"|/read_markers$|/filter$|/upload$|/keys/query$"
                             r"|/state/org.matrix.msc4391.",
                             self.path)

    def __repr__(self):
        return f"{self.name} as {self.user} -> {self.status}"


class Fault:
    """Answers instead of the homeserver, `times` times (None: for ever).
    status None closes the connection: before the call went through, or,
    after=True, when it had its effect."""

    def __init__(self, pattern, status=None, body=None, headers=None, times=1,
                 after=False, delay=0.0):
        self.re, self.status = re.compile(pattern), status
        self.body, self.headers = body or {}, headers or {}
        self.times, self.after, self.delay = times, after, delay
        self.hits = 0

    def wants(self, call):
        if self.times is not None and self.hits >= self.times:
            return False
        if not self.re.search(call.name):
            return False
        self.hits += 1
        return True


class Proxy:
    """keep_host: the upstream sees the Host that the caller said, which may be
    signed or choose a route."""

    def __init__(self, upstream, keep_host=False):
        self.keep_host = keep_host
        self.host, port = urllib.parse.urlsplit(upstream).netloc.split(":")
        self.upstream_port = int(port)
        self.calls, self.faults, self.cut = [], [], False
        self.writers, self.ready = set(), threading.Event()
        self.stopped = False
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.ready.wait(10)
        self.url = f"http://127.0.0.1:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self.loop)

        async def start():
            self.server = await asyncio.start_server(
                self._client, "127.0.0.1", 0, limit=1 << 20)
            self.port = self.server.sockets[0].getsockname()[1]
            self.ready.set()
        self.loop.run_until_complete(start())
        self.loop.run_forever()
        self.server.close()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(
            asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def stop(self):
        """A second time does nothing: the loop is closed after the first."""
        if self.stopped:
            return
        self.stopped = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    # --- for tests ---

    def clear(self):
        self.calls.clear()

    def writes(self):
        return [c for c in list(self.calls) if c.writes]

    def fail(self, *a, **kw):
        fault = Fault(*a, **kw)
        self.faults.append(fault)
        return fault

    def heal(self):
        self.faults.clear()
        self.cut = False

    def cut_off(self):
        """Nobody there any more: refuses new calls and drops the old."""
        self.cut = True
        self.loop.call_soon_threadsafe(
            lambda: [w.transport.abort() for w in list(self.writers)])

    # --- wire ---

    @staticmethod
    async def _head(reader):
        raw = await reader.readuntil(b"\r\n\r\n")
        first, *rest = raw[:-4].decode("latin-1").split("\r\n")
        headers = {}
        for line in rest:
            k, _, v = line.partition(":")
            headers[k.strip().lower()] = v.strip()
        return first, headers

    @staticmethod
    async def _payload(reader, headers):
        if "chunked" in headers.get("transfer-encoding", ""):
            out = b""
            while True:
                n = int((await reader.readline()).split(b";")[0], 16)
                piece = await reader.readexactly(n + 2)
                if not n:
                    return out
                out += piece[:-2]
        return await reader.readexactly(int(headers.get("content-length", 0)))

    async def _client(self, reader, writer):
        up = None
        self.writers.add(writer)
        try:
            while not self.cut:
                first, headers = await self._head(reader)
                method, target, _ = first.split(" ", 2)
                if "100-continue" in headers.get("expect", ""):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                data = await self._payload(reader, headers)
                call = Call(method, target, data)
                if self.cut:
                    break
                self.calls.append(call)
                fault = next((f for f in self.faults if f.wants(call)), None)
                if fault and fault.delay:
                    await asyncio.sleep(fault.delay)
                if fault and not fault.after and (fault.status
                                                  or not fault.delay):
                    call.status = fault.status
                    if fault.status is None:
                        break
                    answer = (fault.status, fault.headers,
                              json.dumps(fault.body).encode())
                else:
                    up, answer = await self._forward(up, method, target,
                                                     headers, data)
                    call.status = answer[0]
                    if fault and fault.after:
                        break
                call.took = time.time() - call.at
                self._answer(writer, *answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError,
                asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            for w in (writer, up[1] if up else None):
                if w:
                    w.close()

    async def _forward(self, up, method, target, headers, data):
        head = [f"{method} {target} HTTP/1.1",
                "Host: " + (headers.get("host", "") if self.keep_host else
                            f"{self.host}:{self.upstream_port}"),
                f"Content-Length: {len(data)}"]
        head += [f"{k}: {v}" for k, v in headers.items() if k not in HOP]
        raw = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + data
        for attempt in (0, 1):
            fresh = up is None
            if fresh:
                up = await asyncio.open_connection(
                    self.host, self.upstream_port, limit=1 << 20)
            try:
                up[1].write(raw)
                first, answer = await self._head(up[0])
                break
            except (asyncio.IncompleteReadError, ConnectionError):
                up[1].close()
                up = None
                if fresh or attempt:
                    raise
        status = int(first.split(" ")[1])
        payload = b"" if status in (204, 304) else \
            await self._payload(up[0], answer)
        if answer.get("connection", "").lower() == "close":
            up[1].close()
            up = None
        return up, (status, answer, payload)

    @staticmethod
    def _answer(writer, status, headers, payload):
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(payload)}"]
        head += [f"{k}: {v}" for k, v in headers.items()
                 if k.lower() not in HOP]
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
                     + payload)
