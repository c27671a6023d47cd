"""The models of lofikit in PyTorch. Importing this package does not import torch."""
