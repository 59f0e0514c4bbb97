"""One sharded train step: losses, optimizer, and how fast it runs."""
