"""An agent that knows of tools what a model would: names, descriptions, schemas."""

from honcho import Honcho
from honcho_tools import memory_tools

tools = {tool.name: tool for tool in memory_tools(Honcho(), app_id="a", user_id="ann", session_id="s1")}
assert set(tools) == {"remember", "recall", "know_user"}
for tool in tools.values():
    described = tool.as_openai()["function"]
    assert described["parameters"]["additionalProperties"] is False
    assert set(described["parameters"]["required"]) <= set(described["parameters"]["properties"])
assert tools["remember"](content="Ann is allergic to peanuts.") == "Noted."
assert tools["recall"](query="allergic") == "- Ann is allergic to peanuts."
assert tools["recall"](query="submarines", limit=1) == "Nothing is known about that."
assert tools["know_user"]() == "Nothing is known about that."
print("well")
