"""From cases.jsonl to vector lines: what is the same for every package that mints. `cases.mjs` is this for Node."""

import copy
import json
import re
import time
from datetime import datetime, timezone
from pathlib import Path

NOW = int(time.time())
TIME = re.compile(r"(now(?:_ms|_text|_rfc3339)?)([+-]\d+)?")
FORMS = {
    "now": lambda seconds: seconds,
    "now_ms": lambda seconds: round(seconds * 1000),
    "now_text": str,
    "now_rfc3339": lambda seconds: datetime.fromtimestamp(seconds, timezone.utc).isoformat(),
}


def timed(value):
    """Times are written as `now-60`, in the unit that the name says; `now_ms` counts milliseconds."""
    if isinstance(value, dict):
        return {name: timed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [timed(member) for member in value]
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return value
    offset = int(found[2] or 0)
    return FORMS[found[1]](NOW + (offset / 1000 if found[1] == "now_ms" else offset))


def patched(value, patch):
    """A merge patch (RFC 7396): members that are null go, objects are merged, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value)
    for name, member in patch.items():
        if member is None:
            merged.pop(name, None)
        else:
            merged[name] = patched(merged.get(name) or {}, member)
    return merged


def spoilt(token):
    """What goes wrong with any token: a letter differs, the end is missing, or something stands behind it."""
    middle = len(token) // 2
    letter = "b" if token[middle] == "a" else "a"
    return {"tampered": token[:middle] + letter + token[middle + 1 :], "cut": token[:-1], "longer": token + "a"}


def with_token(line, token):
    """The request may hold the token as well, in its query or a header."""
    other = copy.deepcopy(line)
    if "request" in line:
        other["request"] = json.loads(json.dumps(line["request"]).replace(line["token"], token))
    return {**other, "token": token}


def lines_of(case, name, mint, keys):
    """The lines of a case as one package makes them. `mint` turns a case with claims and a key into parts of a line."""
    shown, good_key, other_key = keys

    def line(what, claims, key, expect):
        made = mint({**case, "claims": timed(claims), "key_used": key})
        given = {member: case[member] for member in ("params", "request") if member in case}
        base = {"id": f"{name}: {case['platform']} {what}", "platform": case["platform"], "now": NOW, **shown, **given}
        identity = {"expected_identity": case["identity"]} if expect == "accept" else {}
        return {**base, **made, "expect": expect, **identity}

    good = line("as it should be", case["claims"], good_key, "accept")
    yield good
    for what, patch in case.get("accepted", {}).items():
        yield line(what, patched(case["claims"], patch), good_key, "accept")
    for what, patch in case["refused"].items():
        yield line(what, patched(case["claims"], patch), good_key, "refuse")
    yield line("other-key", case["claims"], other_key, "refuse")
    refused = {name: member for name, member in good.items() if name != "expected_identity"} | {"expect": "refuse"}
    for what, token in spoilt(good["token"]).items():
        yield with_token(refused, token) | {"id": f"{name}: {case['platform']} {what}"}
    for what, patch in case.get("altered", {}).items():
        yield patched(refused, patch) | {"id": f"{name}: {case['platform']} {what}"}


def lines(minters, keys_of):
    """The lines of every package, in the order of the cases."""
    for text in Path(__file__).with_name("cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(text)
        several = len(case.get("algorithms", [])) > 1
        for name, mint in minters.get(case["platform"], {}).items():
            for algorithm in case.get("algorithms", [None]):
                one = {**case, "algorithm": algorithm}
                if several:
                    one["params"] = {**case["params"], "algorithms": [algorithm]}
                yield from lines_of(one, f"{name} {algorithm}" if several else name, mint, keys_of(one))
