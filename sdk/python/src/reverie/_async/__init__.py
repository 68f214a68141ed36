"""The client, written once for asyncio; generate.py makes the blocking one of it."""
