"""The image that components run in: its tag is the package's version.

`ADSMU_IMAGE` replaces it when a pipeline is compiled, for mirrors and for pinning by digest.
"""

import os

from adsmu import __version__

IMAGE = os.environ.get("ADSMU_IMAGE", f"ghcr.io/adsmu/adsmu:{__version__}")
