"""Django's widgets with the names that they lack: a screen reader says them."""

from __future__ import annotations

from django.forms import Field, SplitDateTimeWidget


def name_parts(field: Field) -> None:
    """Name the two inputs of a field that takes a moment."""
    if isinstance(field.widget, SplitDateTimeWidget):
        for part, name in zip(field.widget.widgets, ("date", "time"), strict=True):
            part.attrs["aria-label"] = f"{field.label}: {name}"
