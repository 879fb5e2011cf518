"""Puts a process together: the service, its listeners, what runs in the background, and the socket for commands."""
