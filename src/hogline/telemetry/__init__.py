"""What Hogline says of itself: log lines and metrics. Never a payload, never a secret, nothing personal."""
