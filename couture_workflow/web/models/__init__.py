"""What pages and REST API of trained models share: changes with their audit rows, and what is shown."""
