"""What LangChain expects of a message history and a retriever."""

import asyncio

from honcho import Honcho
from honcho_langchain import HonchoChatMessageHistory, HonchoRetriever
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

honcho = Honcho()
place = {"app_id": "a", "user_id": "ann", "session_id": "s1"}
history = HonchoChatMessageHistory(honcho, **place)
assert history.messages == []
call = {"name": "weather", "args": {"city": "Porto"}, "id": "call-1", "type": "tool_call"}
said = [
    SystemMessage("Be brief."),
    HumanMessage("How is the weather in Porto? I love cycling.", id="m1"),
    AIMessage("", tool_calls=[call]),
    ToolMessage("sunny", tool_call_id="call-1"),
    AIMessage([{"type": "text", "text": "It is sunny."}]),
]
history.add_messages(said)
assert history.messages == said, history.messages
history.add_user_message("Thanks")
assert [message.text for message in HonchoChatMessageHistory(honcho, **place).messages][-2:] == [
    "It is sunny.",
    "Thanks",
]
honcho.apps.users.sessions.messages.create(**place, content="by another client", is_user=False)
assert history.messages[-1] == AIMessage("by another client")
assert asyncio.run(history.aget_messages()) == history.messages
history.clear()
assert history.messages == []
history.add_ai_message("Anew")
assert [message.text for message in history.messages] == ["Anew"]

for retriever in (
    HonchoRetriever(honcho=honcho, app_id="a", user_id="ann", k=3),
    HonchoRetriever(honcho=honcho, app_id="a", mode="lexical", filters={"kind": "message"}),
):
    found = retriever.invoke("cycling")
    assert "cycling" in found[0].page_content
    assert found[0].metadata["type"] == "event"
    assert asyncio.run(retriever.ainvoke("cycling")) == found
print("well")
