"""The simulated service stands beside these tests, and is imported from there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
