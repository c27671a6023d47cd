"""The models of lofikit in PyTorch. Importing this package does not import torch."""

import os

# Waiting OpenMP threads spin by default, so that a step beside another busy process takes up to a
# hundred times as long. The policy is read once, when torch loads its OpenMP library.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
