"""What LangGraph expects of a store."""

import asyncio

from honcho import Honcho
from honcho_langchain import HonchoStore
from langgraph.store.base import GetOp, PutOp, SearchOp

store = HonchoStore(Honcho(), app_id="a")
assert store.get(("users", "ann"), "food") is None
store.put(("users", "ann"), "food", {"text": "Ann is allergic to peanuts", "n": 1})
store.put(("users", "ann"), "city", {"text": "Ann lives in Porto", "n": 2})
store.put(("users", "bob"), "food", {"text": "Bob eats everything", "n": 3})
store.put(("ann", "users"), "other", {"text": "another order of the same words", "n": 4})

item = store.get(("users", "ann"), "food")
assert (item.namespace, item.key, item.value["n"]) == (("users", "ann"), "food", 1)
store.put(("users", "ann"), "food", {"text": "Ann is allergic to peanuts and shrimps", "n": 5})
assert store.get(("users", "ann"), "food").value["n"] == 5

assert {(i.namespace, i.key) for i in store.search(("users",))} == {
    (("users", "ann"), "food"),
    (("users", "ann"), "city"),
    (("users", "bob"), "food"),
}
assert [i.key for i in store.search(("users",), filter={"n": 2})] == ["city"]
assert [i.value["n"] for i in store.search(("users",), filter={"n": {"$gte": 3}}, limit=1, offset=1)] in ([5], [3])
assert store.search(("users",), query="peanuts")[0].value["n"] == 5
assert len(store.search((), limit=100)) == 4

assert store.list_namespaces() == [("ann", "users"), ("users", "ann"), ("users", "bob")]
assert store.list_namespaces(prefix=("users",), max_depth=1) == [("users",)]
assert store.list_namespaces(suffix=("users",)) == [("ann", "users")]
assert store.list_namespaces(prefix=("*", "bob")) == [("users", "bob")]

store.delete(("users", "ann"), "food")
store.delete(("users", "ann"), "never there")
assert store.get(("users", "ann"), "food") is None

results = store.batch(
    [PutOp(("b",), "k", {"x": 1}), PutOp(("b",), "k", {"x": 2}), GetOp(("b",), "k"), SearchOp(("b",))]
)
assert results == [None, None, None, []]
assert asyncio.run(store.aget(("b",), "k")).value == {"x": 2}
assert HonchoStore(Honcho(), app_id="a").get(("b",), "k").value == {"x": 2}
print("well")
