"""Two runs of an agent in two processes' worth of state: only Honcho is shared."""

import asyncio
import json
import os

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from honcho import AsyncHoncho
from honcho_agents import HonchoSession, memory_tools
from openai import AsyncOpenAI

set_tracing_disabled(True)


async def ask(honcho: AsyncHoncho, words: str, session_id: str) -> str:
    place = {"app_id": "a", "user_id": "ann", "session_id": session_id}
    client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"])
    model = OpenAIChatCompletionsModel(model="m", openai_client=client)
    agent = Agent("helper", instructions="Use your memory.", model=model, tools=memory_tools(honcho, **place))
    done = await Runner.run(agent, words, session=HonchoSession(honcho, **place))
    return done.final_output


async def main() -> None:
    async with AsyncHoncho() as honcho:
        said = [await ask(honcho, "I am allergic to peanuts", "s1"), await ask(honcho, "What can I eat?", "s2")]
        session = HonchoSession(honcho, app_id="a", user_id="ann", session_id="s2")
        items = await session.get_items()
        assert items[0] == {"content": "What can I eat?", "role": "user"}, items
        assert await session.get_items(limit=1) == items[-1:]
        assert await session.pop_item() == items[-1]
        assert await session.get_items() == items[:-1]
        await session.clear_session()
        assert await session.get_items() == []
        assert await session.pop_item() is None
        await session.add_items(items[:1])
        assert await session.get_items() == items[:1]
        assert await HonchoSession(honcho, app_id="a", user_id="new", session_id="new").get_items() == []
    print(json.dumps(said))


asyncio.run(main())
