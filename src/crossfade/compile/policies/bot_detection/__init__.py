"""bot-detection: refuses bots by their User-Agent."""
