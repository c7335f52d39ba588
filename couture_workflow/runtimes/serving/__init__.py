"""The model server: TensorFlow Serving's interfaces over OpenVINO, onnxruntime and TensorFlow itself.

It runs in the runtime ``serving`` and imports nothing of Airflow or of the rest of this product. Read
``command`` first, then ``versions.manager`` (which versions there are) and, of ``interfaces``, ``handlers``
(what a request does) and the two ways in, ``rest`` and ``rpc``.
"""
