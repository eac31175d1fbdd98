"""Calls every kind of method through 127.0.0.1 at the port given, over HTTP/2 without TLS, and prints `ok` for each that did
what it should."""

import queue
import sys

import grpc

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")


def check(name, good, what):
    if not good:
        sys.exit(f"{name}: {what}")
    print(f"ok {name}", flush=True)


def echo():
    """A conversation: no message is sent before the answer to the one before."""
    messages = queue.Queue()
    call = channel.stream_stream("/public/Echo")(iter(messages.get, None), timeout=10)
    check("head", dict(call.initial_metadata()).get("seen-user") == "none", call.initial_metadata())
    for size in (1, 100_000, 3):
        messages.put(b"x" * size)
        answer = next(call)
        check(f"message of {size}", answer == b"echo:" + b"x" * size, len(answer))
    messages.put(None)
    check("end", list(call) == [] and call.code() == grpc.StatusCode.OK, call)
    trailers = dict(call.trailing_metadata())
    check("trailers", trailers.get("checksum") == "abc" and "x-vestibule-user" not in trailers, trailers)


def error(method, timeout):
    try:
        channel.unary_unary(method)(b"", timeout=timeout)
    except grpc.RpcError as problem:
        return problem
    return sys.exit(f"{method}: no error")


echo()
numbers = list(channel.unary_stream("/public/Count")(b"1000", timeout=10))
check("many answers", numbers == [str(n).encode() for n in range(1, 1001)], len(numbers))
length = channel.stream_unary("/public/Total")((b"x" * 1000 for _ in range(1000)), timeout=10)
check("many messages", length == b"1000000", length)
problem = error("/public/Fail", 10)
right = problem.code() == grpc.StatusCode.FAILED_PRECONDITION and problem.details() == "not like this: 100 % sure"
check("status", right, problem)
check("deadline", error("/public/Slow", 0.3).code() == grpc.StatusCode.DEADLINE_EXCEEDED, "another error")
check("nothing there", error("/public/Nothing", 10).code() == grpc.StatusCode.UNIMPLEMENTED, "another error")
