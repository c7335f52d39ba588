"""What runs a model: OpenVINO, onnxruntime, and TensorFlow in a process of its own."""
