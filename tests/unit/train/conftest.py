"""Lets these tests import the helpers beside them; one thread each, as networks are tiny."""

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
