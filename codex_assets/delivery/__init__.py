"""Where outputs go and who is told: keys, stores, publishing order, the webhook."""
