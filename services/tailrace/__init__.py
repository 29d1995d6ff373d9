"""tailrace: an LLM-observability backend that keeps every event and counts every cent once."""

__version__ = "0.1.0"
