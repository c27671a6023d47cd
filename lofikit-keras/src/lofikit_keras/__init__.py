"""The models of lofikit in Keras. Importing this package does not import TensorFlow."""
