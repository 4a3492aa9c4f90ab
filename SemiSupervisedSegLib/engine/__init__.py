"""The torch side: data, networks, losses, methods, training, inference and evaluation."""
