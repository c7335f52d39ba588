"""Tensors as requests and answers have them: in JSON and on the wire of gRPC."""
