"""Ranking what may answer a question: pure functions over arrays and texts, no database."""
