"""What the server tells clients about itself: its resources and their schemas."""
