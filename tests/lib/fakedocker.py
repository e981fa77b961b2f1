"""What Docker answers where Podman answers otherwise: a scripted Engine API.

    with FakeDocker(path) as d:
        d.on("GET", "/containers/x/json", 404, {"message": "No such ..."})
        d.on("POST", "/images/create", 200, [line, line, ...])  a stream
        d.calls                     [(method, path and query, headers, body)]

Paths are without their version; the longest prefix of a path wins, and of
several answers to the same path each is given once, the last one for ever.
"""
import http.server
import json
import socketserver
import ssl
import threading


class FakeDocker(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, path=None, tls=None, version="1.41"):
        import socket
        self.address_family = socket.AF_UNIX if path else socket.AF_INET
        super().__init__(str(path) if path else ("127.0.0.1", 0), Handler)
        self.version, self.answers, self.calls = version, {}, []
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["cert"], tls["key"])
            context.load_verify_locations(tls["ca"])
            context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.on("GET", "/_ping", 200, "OK")
        self.on("GET", "/info", 200, {"NCPU": 2, "SecurityOptions": []})
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def on(self, method, path, status, answer=None):
        self.answers.setdefault((method, path), []).append((status, answer))

    def find(self, method, path):
        plain = path.split("?")[0]
        for key in sorted(self.answers, key=lambda k: -len(k[1])):
            if key[0] == method and plain.startswith(key[1]):
                queue = self.answers[key]
                return queue.pop(0) if len(queue) > 1 else queue[0]
        return 500, {"message": f"no script for {method} {path}"}

    def handle_error(self, request, client_address):
        pass        # a client that has had enough

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def reply(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = self.path
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        server = self.server
        server.calls.append((self.command, self.path, dict(self.headers),
                             body))
        status, answer = server.find(self.command, path)
        if callable(answer):
            answer = answer(path, body)
        self.send_response(status)
        self.send_header("Api-Version", server.version)
        if isinstance(answer, list):
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            for line in answer:
                self.wfile.write(json.dumps(line).encode() + b"\r\n")
                self.wfile.flush()
            self.close_connection = True
            return
        data = b"" if answer is None else answer if isinstance(answer, bytes) \
            else answer.encode() if isinstance(answer, str) \
            else json.dumps(answer).encode()
        self.send_header("Content-Type", "text/plain" if isinstance(
            answer, str) else "application/json")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = reply
