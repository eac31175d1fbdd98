"""What the packages say of vector lines: prints for each line of a file
{"id", "verdicts": {"NAME==VERSION": {"verdict": "accept" | "reject", "claims" | "error"}}}.
usage: read.py FILE
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from clock import hold_at

import packages  # after the clock

# Keys of tests are shorter than PyJWT likes.
warnings.simplefilter("ignore")


def judge(read, line):
    try:
        return {"verdict": "accept", "claims": read(line)}
    except Exception as error:  # whatever a package throws is its "no"
        return {"verdict": "reject", "error": f"{type(error).__name__}: {error}"}


for text in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    line = json.loads(text)
    hold_at(line["now"])
    read = {name: platforms.get(line["platform"]) for name, platforms in packages.PACKAGES.items()}
    verdicts = {f"{name}=={version(name)}": judge(reader, line) for name, reader in read.items() if reader}
    print(json.dumps({"id": line["id"], "verdicts": verdicts}, default=str))
