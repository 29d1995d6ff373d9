"""Fake providers of language models: they answer as the real HTTP APIs do, and keep a bill of every call."""

from tests.frameworks.providers.server import Providers, serving

__all__ = ["Providers", "serving"]
