"""An HTTP server on the loopback that keeps what it gets, byte for byte, and
answers 200 with nothing in it (or with what a service's client can read)."""
import http.server
import socketserver
import threading


class Request:
    """One request as it came over the wire."""

    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.headers = headers      # [(name, value)] in order
        self.body = body

    def get(self, name):
        for n, v in self.headers:
            if n.lower() == name.lower():
                return v
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.requests.append(Request(
            self.command, self.path, list(self.headers.items()), body))
        content_type, out = self.server.reply
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(out)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Capture:
    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.requests = []
        self.server.reply = ("application/xml", b"<a/>")
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def reply(self, content_type, body):
        self.server.reply = (content_type, body)

    def take(self):
        """The requests since the last time."""
        taken, self.server.requests = self.server.requests, []
        return taken
