"""standard-webhooks: takes only signed and recent messages."""
