"""What listens or reads: HTTP and files. Brings bytes in; what they mean is `hogline.posthog`'s business."""
