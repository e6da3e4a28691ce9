"""What stands between a verifier and the CA's plain port, and is told how to lie: where
public_url= leads to. Passes everything on as it is, unless `mode` says otherwise."""
import http.client
import http.server
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from lib.ca_client import DER, load, new_key

OCSP = "application/ocsp-response"


class Responder:
    """with Responder() as r: r.url; r.target = "127.0.0.1:PORT" once there is a CA.
    r.mode: pass, down, garbage, empty, error, redirect, forged, other, replay, list."""

    def __init__(self):
        self.mode = "pass"
        self.target = None
        self.chain = None
        self.other = None       # DER of a certificate that is good: for `other`
        self.replayed = None    # an answer of earlier: for `replay`
        self.asked = []         # the path of each question
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.serve(None)

            def do_POST(self):
                length = int(self.headers.get("Content-Length", "0"))
                self.serve(self.rfile.read(length))

            def serve(self, body):
                outer.asked.append(self.path)
                answer = outer.answer(self.command, self.path, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, data, more = answer
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    # Answers: (status, body, headers), or None: the connection ends

    def answer(self, method, path, body):
        mode = self.mode if path.startswith(("/ocsp", "/crl")) else "pass"
        if mode == "down":
            return None
        if mode == "error":
            return 500, b"oh", {}
        if mode == "redirect":
            return 302, b"", {"Location": "http://%s%s" % (self.target, path)}
        if mode == "garbage":
            return 200, b"\x30\x82\xff\xff" + b"\xa5" * 4000, {"Content-Type": OCSP}
        if mode == "empty":
            return 200, b"", {"Content-Type": OCSP}
        if mode == "replay" and self.replayed:
            return 200, self.replayed, {"Content-Type": OCSP}
        if mode == "forged":
            return 200, self.forge(body), {"Content-Type": OCSP}
        if mode == "other":
            body = self.about_other(body)
        return self.ask(method, path, body)

    def ask(self, method, path, body):
        c = http.client.HTTPConnection(self.target, timeout=90)
        try:
            headers = {"Content-Type": "application/ocsp-request"} if body else {}
            c.request(method, path, body, headers)
            r = c.getresponse()
            data = r.read()
        finally:
            c.close()
        if path.startswith("/ocsp") and self.mode == "pass":
            self.replayed = data
        return r.status, data, {"Content-Type": r.getheader("Content-Type") or ""}

    def forge(self, body):
        """`good`, about the right certificate, with our nonce, by a key of our own that
        calls itself the CA's signer."""
        asked = ocsp.load_der_ocsp_request(body)
        key = new_key()
        now = self.now()
        name = self.chain.issuing.subject
        signer = (x509.CertificateBuilder()
                  .subject_name(name).issuer_name(name).public_key(key.public_key())
                  .serial_number(7).not_valid_before(now - self.hour)
                  .not_valid_after(now + self.hour).sign(key, hashes.SHA256()))
        cert = FakeSerial(load(self.other), asked.serial_number)
        b = (ocsp.OCSPResponseBuilder()
             .add_response(cert.as_der(), self.chain.issuing, hashes.SHA256(),
                           ocsp.OCSPCertStatus.GOOD, now, now + self.hour, None, None)
             .responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
             .certificates([signer])
             .add_extension(asked.extensions[0].value, False))
        return b.sign(key, hashes.SHA256()).public_bytes(DER)

    def about_other(self, body):
        """The same question, nonce and all, about a certificate that is good."""
        asked = ocsp.load_der_ocsp_request(body)
        b = (ocsp.OCSPRequestBuilder()
             .add_certificate(load(self.other), self.chain.issuing, hashes.SHA256())
             .add_extension(asked.extensions[0].value, False))
        return b.build().public_bytes(DER)

    @staticmethod
    def now():
        import datetime
        return datetime.datetime.utcnow().replace(microsecond=0)

    @property
    def hour(self):
        import datetime
        return datetime.timedelta(hours=1)


class FakeSerial:
    """A certificate like another, but for its number: the builder of answers wants a
    certificate to speak about."""

    def __init__(self, like, serial):
        self.like, self.serial = like, serial

    def as_der(self):
        key = new_key()
        return (x509.CertificateBuilder().subject_name(self.like.subject)
                .issuer_name(self.like.issuer).public_key(key.public_key())
                .serial_number(self.serial)
                .not_valid_before(self.like.not_valid_before)
                .not_valid_after(self.like.not_valid_after)
                .sign(key, hashes.SHA256()))
