"""What moves traffic between the model in production and its candidate: one protocol, a module a backend."""
