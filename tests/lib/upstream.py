"""An upstream that speaks enough of the OpenAI API, and remembers what it was
asked: headers, path, body.  POST .../slow is answered in pieces over a while."""
import http.server
import json
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # head and body are two writes

    def log_message(self, *args):
        pass

    def _answer(self):
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n)
        self.server.seen.append({
            "method": self.command, "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "body": body})
        if "slow" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(self.server.pieces):
                time.sleep(self.server.pause)
                text = f"data: {i}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.write(b"0\r\n\r\n")
            return
        out = json.dumps({
            "id": "x", "object": "chat.completion", "choices": [{
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "ok"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = do_PUT = do_DELETE = _answer


class Upstream:
    def __init__(self, ssl_context=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.seen, self.http.pieces, self.http.pause = [], 10, 0.1
        if ssl_context:
            self.http.socket = ssl_context.wrap_socket(
                self.http.socket, server_side=True)
        self.port = self.http.server_port
        self.url = f"http{'s' if ssl_context else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def seen(self):
        return self.http.seen

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
