"""Where the asyncio and the blocking client differ: channels, waits, tasks."""
