"""What stands behind the gateway when agents are asked: an OpenAI-compatible
model that knows one trick, and a wire in front of the gateway that sees which
keys the agents show.

A question carries "ping-MARK"; the answer is "pong-MARK".  So a test tells the
answer to its own question from all else that an agent says, and finds here who
asked the model for it, with which key, and for which model.
"""
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-upstream-of-the-tests"


def text_of(content):
    if isinstance(content, str):
        return content
    return "\n".join(p["text"] for p in content or []
                     if isinstance(p, dict) and isinstance(p.get("text"), str))


def mark_of(messages):
    """The last mark that the person has sent since the last answer.  Runtimes
    put the room's talk before the question, and notes of their own behind."""
    for m in reversed(messages):
        if m.get("role") == "assistant":
            break
        if m.get("role") == "user":
            found = re.findall(r"ping-(\w+)", text_of(m.get("content")))
            if found:
                return found[-1]
    return None


class Turn:
    """One request for an answer, as it arrived."""

    def __init__(self, headers, body):
        self.at = time.time()
        self.key = (headers.get("Authorization") or "")[len("Bearer "):]
        self.consumer = headers.get("x-hiclaw-consumer")
        self.model, self.stream = body.get("model"), bool(body.get("stream"))
        self.messages = body.get("messages") or []
        self.mark = mark_of(self.messages)

    def prompt(self):
        return "\n".join(text_of(m.get("content")) for m in self.messages)

    def __repr__(self):
        return f"<{self.consumer} asks {self.model} for {self.mark}>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, tree):
        data = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refused(self):
        if self.headers.get("Authorization") == "Bearer " + KEY:
            return False
        self.server.model.refused += 1
        self.reply(401, {"error": {"message": "not the upstream's key",
                                   "type": "invalid_request_error"}})
        return True

    def do_GET(self):
        if self.refused():
            return
        if self.path.rstrip("/").endswith("/models"):
            return self.reply(200, {"object": "list", "data": [
                {"id": m, "object": "model", "owned_by": "tests"}
                for m in self.server.model.names]})
        self.reply(404, {"error": {"message": "no such path"}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.refused():
            return
        try:
            body = json.loads(raw)
        except ValueError:
            return self.reply(400, {"error": {"message": "not JSON"}})
        if not self.path.rstrip("/").endswith("/chat/completions"):
            return self.reply(404, {"error": {"message": "no such path"}})
        turn = Turn(self.headers, body)
        self.server.model.turns.append(turn)
        if self.server.model.act and self.server.model.act(self, turn):
            return
        text = f"pong-{turn.mark}" if turn.mark else "Nothing was asked."
        head = {"id": f"chatcmpl-{time.time_ns()}", "model": turn.model,
                "created": int(time.time())}
        if turn.stream:
            return self.pieces(head, text)
        self.reply(200, {**head, "object": "chat.completion", "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text}}],
            "usage": self.usage()})

    @staticmethod
    def usage():
        return {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def say(self, text):
        """A piece of an answer that an act streams."""
        self.piece({"object": "chat.completion.chunk", "choices": [
            {"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    def end(self):
        self.piece("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def pieces(self, head, text):
        self.begin()
        deltas = [{"role": "assistant", "content": text[:3]},
                  {"content": text[3:]}, {}]
        for i, d in enumerate(deltas):
            end = "stop" if i == len(deltas) - 1 else None
            self.piece({**head, "object": "chat.completion.chunk", "choices": [
                {"index": 0, "delta": d, "finish_reason": end}]})
        self.piece({**head, "object": "chat.completion.chunk", "choices": [],
                    "usage": self.usage()})
        self.end()

    def piece(self, what):
        text = what if isinstance(what, str) else json.dumps(what)
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Somebody hung up; who asks is seen to elsewhere."""


class Model:
    def __init__(self, names=("qwen3.6-plus", "second-model")):
        self.names, self.turns, self.refused = names, [], 0
        # act(handler, turn) may answer in place of the trick: then it is true.
        self.act = None
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.model = self
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def turn(self, mark):
        """The request for this mark that said most: a runtime may ask again,
        for a title and such, with the question alone."""
        return max((t for t in list(self.turns) if t.mark == mark),
                   key=lambda t: len(t.prompt()), default=None)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Wire:
    """Passes bytes between agents and the gateway and takes note of bearers:
    behind the gateway an agent's key is not seen any more."""

    BEARER = re.compile(rb"authorization: *bearer +([^\r\n]+)\r", re.I)

    def __init__(self, port):
        self.to, self.seen = port, {}	# key: when it was seen first
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                down, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(down,),
                             daemon=True).start()

    def _serve(self, down):
        try:
            up = socket.create_connection(("127.0.0.1", self.to), 10)
        except OSError:
            down.close()
            return
        up.settimeout(None)
        back = threading.Thread(target=self._pass, args=(up, down, False),
                                daemon=True)
        back.start()
        self._pass(down, up, True)
        back.join()
        down.close()
        up.close()

    def _pass(self, source, sink, look):
        kept = b""
        try:
            while data := source.recv(65536):
                if look:
                    # A header may be cut in two by the end of a read.
                    kept = kept[-4096:] + data
                    for key in self.BEARER.findall(kept):
                        self.seen.setdefault(key.decode("latin-1"),
                                             time.time())
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
