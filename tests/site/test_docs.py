"""What the documents name is there: modules, functions and permissions."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from django.apps import apps

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
DOTTED = re.compile(r"(?<![\w/.])(?:memory|reasoning|honcho_site)(?:\.[A-Za-z_]\w*)+")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def permissions() -> set[str]:
    made = {
        f"{model._meta.app_label}.{action}_{model._meta.model_name}"
        for model in apps.get_models()
        for action in model._meta.default_permissions
    }
    return made | {
        f"{model._meta.app_label}.{name}" for model in apps.get_models() for name, _ in model._meta.permissions
    }


def is_there(name: str) -> bool:
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ImportError:
            continue
        for part in parts[size:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def named(page: str) -> set[str]:
    """Everything of ours that a page names, in its text and in its Python."""
    found = set(DOTTED.findall(page))
    for block in PYTHON.findall(page):
        try:
            nodes = list(ast.walk(ast.parse(block)))
        except SyntaxError:  # a fragment
            continue
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        ours = {alias.name: node.module for node in imports for alias in node.names if is_there(node.module or "")}
        found |= {f"{module}.{name}" for name, module in ours.items()}
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
                found.add(f"{ours[node.value.id]}.{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    missing = {name for name in named(page.read_text()) - permissions() if not is_there(name)}
    assert not missing
