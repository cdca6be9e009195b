"""HorizontalPodAutoscalers: what usage asks for, what limits and behavior let through, and the controller."""
