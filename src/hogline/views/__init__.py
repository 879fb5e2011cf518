"""What Hogline answers to its users: the shapes of `--json`, of the control socket and of the pages."""
