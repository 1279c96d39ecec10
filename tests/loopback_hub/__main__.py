"""`python -m tests.loopback_hub --user NAME --token TOKEN`: a Hub that runs until it is stopped.

The first line of its output is a JSON object with the endpoint; the environment of a client is `HF_ENDPOINT`,
`HF_TOKEN`, `HF_HUB_DISABLE_XET=1` and a `HF_HOME` of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading

from tests.loopback_hub.server import LoopbackHub


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", default="ana")
    parser.add_argument("--token", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with LoopbackHub(port=options.port) as hub:
        hub.state.add_account(options.user, options.token)
        sys.stdout.write(json.dumps({"endpoint": hub.endpoint, "user": options.user}) + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
