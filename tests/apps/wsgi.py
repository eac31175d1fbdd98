"""A WSGI app on the server that comes with Python: HTTP/1.0 answers, and header names that lose their separators.

usage: wsgi.py PORT
"""

import hashlib
import json
import sys
from wsgiref.simple_server import make_server


def app(environ, start_response):
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    if environ["PATH_INFO"] == "/open/stream":
        # Without a length: such an answer ends with its connection.
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (f"line {number}\n".encode() for number in range(1000))
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        told = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


with make_server("127.0.0.1", int(sys.argv[1]), app) as server:
    server.serve_forever()
