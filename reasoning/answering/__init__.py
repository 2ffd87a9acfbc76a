"""Answering a question from memory: what is looked up, shown to a model, checked, and given to whoever asks.

``levels`` says how much is done for an answer, ``evidence`` looks up what bears on the question, ``prompt`` shows it to
the model, ``calls`` asks the model, ``reply`` reads what it says, ``extract`` answers without one, ``answers`` is the
way from question to answer.
"""
