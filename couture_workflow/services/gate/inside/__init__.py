"""What runs inside of the sandbox: the nursery, the parse, and what is told of its DAGs."""
