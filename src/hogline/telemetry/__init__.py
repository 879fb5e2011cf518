"""Log lines and metrics. Never a payload, a secret, or personal data."""
