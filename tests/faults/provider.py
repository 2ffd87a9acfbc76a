"""The model's server, well or not."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.loopback.server import Behaviour, Call, LoopbackModel

LATENCY_SECONDS = 0.15


@dataclass(frozen=True)
class Spell:
    """A time in which a share of the calls meets with something else than an answer."""

    name: str
    behaviour: Behaviour
    share: float


class Provider:
    """A loopback model in this process, whose spells begin and end by calls; counts what each call met with."""

    def __init__(self, seed: object) -> None:
        self.model = LoopbackModel(latency=LATENCY_SECONDS)
        self.model.decide = self._decide
        self.met: Counter[str] = Counter()
        self._rng = random.Random(f"{seed} provider")
        self._spells: list[Spell] = []
        self._away = 0
        self.awaits_operator = False
        self._lock = threading.Lock()

    @property
    def well(self) -> bool:
        """Whether it would answer a call, and no pause waits for an operator."""
        return not (self._spells or self._away or self.awaits_operator)

    def begin(self, name: str, share: float, kind: str, **options: Any) -> Spell:
        """Begin a spell in which ``share`` of the calls are treated so."""
        spell = Spell(name, Behaviour(kind, **options), share)
        with self._lock:
            self._spells = [*self._spells, spell]
        return spell

    def end(self, spell: Spell) -> None:
        """End a spell."""
        with self._lock:
            self._spells = [other for other in self._spells if other is not spell]

    def stop_listening(self) -> None:
        """Be away: connections are refused, those that are open are cut."""
        with self._lock:
            self._away += 1
            if self._away == 1:
                self.model.stop()

    def listen_again(self) -> None:
        """End one absence; with the last, be there again."""
        with self._lock:
            self._away -= 1
            if not self._away:
                self.model.start()

    def _decide(self, call: Call) -> Behaviour | None:
        for spell in reversed(self._spells):
            if self._rng.random() < spell.share:
                self.met[spell.name] += 1
                return spell.behaviour
        self.met["answer"] += 1
        return None
