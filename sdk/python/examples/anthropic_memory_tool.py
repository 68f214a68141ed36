"""An agent whose memory tool is kept in a store, and whose run is recorded as a session.

Needs `pip install "reverie[anthropic]"`, ANTHROPIC_API_KEY, and a cluster (REVERIE_URL, REVERIE_TOKEN_FILE).
"""

from __future__ import annotations

import sys

import anthropic

import reverie
from reverie.integrations.anthropic import MemoryTool

MODEL = "claude-sonnet-4-5"


def main(task: str) -> None:
    with reverie.Client() as client:
        client.stores.create("team-sre", exist_ok=True)
        with client.sessions.record("memory-tool-example", attach=["team-sre"]) as run:
            run.user(task)
            memory = MemoryTool(run.client.store("team-sre"))
            runner = anthropic.Anthropic().beta.messages.tool_runner(
                model=MODEL,
                max_tokens=2_048,
                system=run.prompt_note,
                tools=[memory],
                messages=[{"role": "user", "content": task}],
            )
            for message in runner:
                for block in message.content:
                    if block.type == "text":
                        run.agent(block.text)
                        print(block.text)
                    elif block.type == "tool_use":
                        run.tool_call(block.name, block.input, call_id=block.id)
                answer = runner.generate_tool_call_response()
                for result in answer["content"] if answer else []:
                    if isinstance(result, dict) and result["type"] == "tool_result":
                        failed = bool(result.get("is_error"))
                        run.tool_result(result["tool_use_id"], str(result.get("content", "")), failed=failed)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Remember that ana is on call until Friday.")
