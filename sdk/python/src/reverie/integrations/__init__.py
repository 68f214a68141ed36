"""Adapters for what agents are built with. Each needs its extra: `pip install "reverie[anthropic]"`."""
