"""The ways in: REST and gRPC, who may ask, and what a request does."""
