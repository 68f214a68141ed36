"""That the SDK has all of the contract, and calls what is there."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

import reverie
from reverie.dream.v1 import dream_pb2

SOURCE = Path(reverie.__file__).parent
#: Calls that the SDK does not make yet. Whoever adds one takes it out.
NOT_YET: set[str] = set()


def contract() -> Iterator[MethodDescriptor]:
    for file in sorted(SOURCE.glob("*/v1/*_pb2.py")):
        module = importlib.import_module(f"reverie.{file.parent.parent.name}.v1.{file.stem}")
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def called() -> dict[str, str]:
    """Every call in the source with the class of its answer."""
    found: dict[str, str] = {}
    for file in SOURCE.glob("_async/*.py"):
        text = file.read_text()
        names = dict(re.findall(r'^(_[A-Z]+) = "(reverie\.\w+\.v1\.\w+)"$', text, re.MULTILINE))
        for name, service in names.items():
            text = text.replace(f"{{{name}}}", service)
        for method in re.findall(r"reverie\.\w+\.v1\.\w+Service/\w+", text):
            found[method] = file.name
    return found


def test_every_call_of_the_contract_is_made() -> None:
    there = {method.full_name[::-1].replace(".", "/", 1)[::-1] for method in contract()}
    assert set(called()) <= there, "calls that the contract does not have"
    assert there - set(called()) == NOT_YET


def test_every_write_carries_a_request_id_where_the_contract_has_one() -> None:
    """A message that has the field and is made without it would be a write that may be made twice."""
    for file in SOURCE.glob("_async/*.py"):
        for made in re.finditer(r"pb2?\.(\w+Request)\(", file.read_text()):
            message = next((m.input_type for m in contract() if m.input_type.name == made[1]), None)
            if message is not None and "request_id" in message.fields_by_name:
                depth, end = 1, made.end()
                text = file.read_text()
                while depth:
                    depth += {"(": 1, ")": -1}.get(text[end], 0)
                    end += 1
                assert "request_id=" in text[made.start() : end], f"{file.name}: {made[1]}"


def test_newer_values_of_enumerations_do_not_break_an_older_sdk() -> None:
    dream = dream_pb2.Dream(id="drm_1")
    dream.MergeFromString(b"\x10\x63")
    assert dream.state == 99
    assert reverie.Dream.from_proto(dream).state is reverie.DreamState.UNKNOWN
    assert reverie.Dream.from_proto(dream).proto.state == 99


def test_both_flavours_have_the_same_methods() -> None:
    for name in ("Client", "Store", "Edit", "Recording", "Watch", "MemoryCommands"):
        blocking, aio = getattr(reverie, name), getattr(reverie, f"Async{name}")
        public = [
            {n.replace("aclose", "close") for n, _ in inspect.getmembers(c) if not n.startswith("_")}
            for c in (blocking, aio)
        ]
        assert public[0] == public[1], name
        for method, function in inspect.getmembers(blocking, inspect.isfunction):
            if not method.startswith("_"):
                assert function.__doc__, f"{name}.{method} has no docstring"
                assert "await " not in function.__doc__, f"{name}.{method}"
                assert "Async" not in function.__doc__, f"{name}.{method}"
                assert not inspect.iscoroutinefunction(function), f"{name}.{method}"


def test_all_that_is_exported_is_there_and_documented() -> None:
    assert len(set(reverie.__all__)) == len(reverie.__all__)
    for name in reverie.__all__:
        exported = getattr(reverie, name)
        if inspect.isclass(exported) and not issubclass(exported, Message):
            assert exported.__doc__, name
