"""A gRPC server without generated code: messages are bytes. Serves on 127.0.0.1 at the port given, over HTTP/2 without TLS."""

import sys
import time
from concurrent import futures

import grpc


def echo(requests, context):
    """Answers every message as it comes."""
    fields = dict(context.invocation_metadata())
    context.send_initial_metadata((("seen-user", fields.get("x-vestibule-user", "none")),))
    for message in requests:
        yield b"echo:" + message
    context.set_trailing_metadata((("checksum", "abc"), ("x-vestibule-user", "evil")))


def count(request, context):
    """A message after the other, for as long as somebody listens."""
    number = 0
    while context.is_active() and number < int(request):
        number += 1
        yield str(number).encode()


def total(requests, context):
    """One answer to many messages."""
    return str(sum(len(message) for message in requests)).encode()


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not like this: 100 % sure")


def slow(request, context):
    time.sleep(5)
    return b"late"


def main():
    methods = {
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("public", methods),))
    if not server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}"):
        sys.exit("the port cannot be used")
    server.start()
    server.wait_for_termination()


main()
