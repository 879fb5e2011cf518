"""The data directory: its lock and key, and the small files with the console's accounts and the API's tokens."""
