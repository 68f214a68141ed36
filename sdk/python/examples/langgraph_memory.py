"""A LangGraph graph whose long-term memory is a store. No model is needed: a node of the graph is the agent.

Needs `pip install "reverie[langgraph]" langgraph`, and a cluster (REVERIE_URL, REVERIE_TOKEN_FILE).
"""

from __future__ import annotations

import sys
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore

import reverie
from reverie.integrations.langgraph import ReverieStore


class State(TypedDict, total=False):
    user: str
    said: str
    answer: str


def remember(state: State, *, store: BaseStore) -> State:
    """What the user says is kept."""
    key = f"note-{len(store.search(('users', state['user']), limit=1_000)) + 1}"
    store.put(("users", state["user"]), key, {"said": state["said"]})
    return {}


def answer(state: State, *, store: BaseStore) -> State:
    """What was said before, by relevance."""
    found = store.search(("users", state["user"]), query=state["said"], limit=3)
    return {"answer": "; ".join(item.value["said"] for item in found)}


def main(user: str, said: str) -> None:
    with reverie.Client() as client:
        memory = client.stores.create("langgraph-example", exist_ok=True)
        builder = StateGraph(State)
        builder.add_node("remember", remember)
        builder.add_node("answer", answer)
        builder.add_edge(START, "remember")
        builder.add_edge("remember", "answer")
        builder.add_edge("answer", END)
        graph = builder.compile(store=ReverieStore(memory))
        print(graph.invoke({"user": user, "said": said})["answer"])


if __name__ == "__main__":
    main(*sys.argv[1:3] if len(sys.argv) > 2 else ("ana", "I like my alerts grouped by service"))
