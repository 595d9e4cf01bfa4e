"""Schemathesis against the running product: it tries what the document allows and what it
forbids, and looks whether the answers are those of the document.

Needs BASE_URL and ADMIN_KEY, as the frame does.
"""

import pathlib
import subprocess
import sys

from frame import ROOT

settings = pathlib.Path(__file__).parent.parent / "schemathesis.toml"
program = pathlib.Path(sys.executable).parent / "schemathesis"
arguments = [
    "--config-file", str(settings), "run", f"{ROOT}/openapi.json", "--continue-on-failure",
    "--max-examples", "10", "--workers", "2", "--generation-database", "none", "--no-color",
    # A machine that does other things as well is no fault of the product.
    "--request-timeout", "60",
]
found = subprocess.run([program, *arguments]).returncode
if not found:
    print("pass nothing breaks the document")
sys.exit(found)
