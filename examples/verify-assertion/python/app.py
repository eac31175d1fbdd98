"""An app that answers only to requests that passed Vestibule, and says who is calling."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
# Fetched once, kept for five minutes, and fetched again when an unknown key id comes.
KEYS = jwt.PyJWKClient(os.environ.get("JWKS", ISSUER + "/.vestibule/jwks.json"), timeout=5)


def caller(assertion):
    """The claims of an assertion; raises jwt.PyJWTError if it proves nothing."""
    key = KEYS.get_signing_key_from_jwt(assertion)
    required = {"require": ["iss", "aud", "exp", "sub", "host", "tenant"]}
    return jwt.decode(assertion, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, options=required)


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        assertions = self.headers.get_all("X-Vestibule-Assertion", [])
        try:
            # Absent or sent twice, it is no assertion either.
            claims = caller(assertions[0] if len(assertions) == 1 else "")
        except jwt.PyJWTError as error:
            self.log_message("refused: %s", error)
            self.answer(401, b"")
            return
        told = {name: claims.get(name) for name in ("host", "tenant", "sub", "kind", "permissions")}
        self.answer(200, json.dumps(told).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), App).serve_forever()
