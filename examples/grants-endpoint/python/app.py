"""Tells Vestibule who holds what. A person is host, workspace and id together."""

import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREDENTIAL = os.environ["CREDENTIAL"].encode()  # the whole header, such as "Bearer …"
PEOPLE = {
    ("assembly", "11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"): [
        {"role": "editor", "project": "apollo"},
        {"role": "viewer", "project": "Zeus & Co"},
    ],
}


def answer(credential, body):
    if not hmac.compare_digest(credential.encode(), CREDENTIAL):
        return 401, None
    subject = json.loads(body)["subject"]
    properties = subject["properties"]
    grants = PEOPLE.get((properties["host"], properties["tenant"], subject["id"]))
    return (404, None) if grants is None else (200, {"subject": subject, "grants": grants})


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open between questions

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, told = answer(self.headers.get("Authorization", ""), body)
        except (ValueError, KeyError, TypeError):
            status, told = 400, None
        told = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3001"))), Endpoint).serve_forever()
