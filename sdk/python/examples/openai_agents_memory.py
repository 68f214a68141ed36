"""An agent of the OpenAI Agents SDK with the tools of a store, whose run is recorded as a session.

Needs `pip install "reverie[openai-agents]"`, OPENAI_API_KEY, and a cluster (REVERIE_URL, REVERIE_TOKEN_FILE).
"""

from __future__ import annotations

import asyncio
import sys

from agents import Agent, MessageOutputItem, Runner, ToolCallItem, ToolCallOutputItem

import reverie
from reverie.integrations.openai_agents import memory_tools

MODEL = "gpt-5.1"


async def main(task: str) -> None:
    async with reverie.AsyncClient() as client:
        await client.stores.create("team-sre", exist_ok=True)
        async with client.sessions.record("agents-example", attach=["team-sre"]) as run:
            await run.user(task)
            agent = Agent(
                name="triage",
                instructions=f"You are on call.\n\n{run.prompt_note}",
                model=MODEL,
                tools=memory_tools(run.client.store("team-sre")),
            )
            result = await Runner.run(agent, task)
            for item in result.new_items:
                if isinstance(item, ToolCallItem):
                    call = item.to_input_item()
                    name, arguments = str(call.get("name")), str(call.get("arguments"))
                    await run.tool_call(name, arguments, call_id=str(call.get("call_id")))
                elif isinstance(item, ToolCallOutputItem):
                    await run.tool_result(str(item.to_input_item().get("call_id")), str(item.output))
                elif isinstance(item, MessageOutputItem):
                    await run.agent("".join(getattr(part, "text", "") for part in item.raw_item.content))
            print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Remember that ana is on call until Friday."))
