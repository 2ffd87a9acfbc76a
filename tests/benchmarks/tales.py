"""A conversation of our own for the tests of the suite: two people, three sessions, and questions about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.recall.conversations import Conversation, DataSet, Question, Turn

_SAID = {
    "spring": (
        ("Ines", "Good morning Tomas! How was the weekend up at the lake, did the weather hold?"),
        ("Tomas", "It did. We rowed out to the island on Saturday and I caught my first pike, almost four kilos."),
        ("Ines", "Four kilos! I hope you took a picture of it before it went into the pan."),
        ("Tomas", "My brother Pavel has one. He was laughing so hard that half of them are out of focus."),
        ("Ines", "I spent mine repairing the bicycle in the cellar, the chain had rusted through over the winter."),
        ("Tomas", "That old green bicycle? You should sell it and get something with proper brakes."),
        ("Ines", "Never. I rode it all the way to Trieste when I was nineteen, it has earned its place."),
        ("Tomas", "Fair enough. Are you still looking for somebody who can teach you the accordion?"),
        ("Ines", "I found a teacher last week, a retired postman who plays at weddings in the valley."),
        ("Tomas", "A postman with an accordion, that sounds like the beginning of a film to me."),
    ),
    "summer": (
        ("Tomas", "I have news: I am going to move to Ghent in September because of the new job."),
        ("Ines", "To Ghent! What will you be doing there, is it the bakery that you talked about?"),
        ("Tomas", "No, the museum. They want me to restore the clocks that they keep in the attic."),
        ("Ines", "Clocks suit you. Who is going to look after the bees while you are gone?"),
        ("Tomas", "Pavel takes the hives, he has wanted them ever since he left the bank."),
        ("Ines", "I am glad that they stay in the family. I will miss the honey at breakfast though."),
        ("Tomas", "I will send you a jar every month, that is a promise that I can keep."),
        ("Ines", "My first lesson went well, by the way. My fingers hurt but I can play half a waltz."),
        ("Tomas", "Half a waltz is more than anybody in my family has ever managed to play."),
        ("Ines", "The neighbours do not agree, they knocked on the wall twice during the second half."),
    ),
    "autumn": (
        ("Ines", "How is Ghent? Have you found a flat or are you still sleeping at the museum?"),
        ("Tomas", "I rent two rooms above a shop that sells umbrellas, which is useful in this city."),
        ("Ines", "Is it true that the oldest clock of the collection has not run for a hundred years?"),
        ("Tomas", "It runs since Tuesday. The spring was broken and a mouse had built its nest in the case."),
        ("Ines", "You must write that down for the visitors, they will love the mouse more than the clock."),
        ("Tomas", "I already have, there is a small sign beside it. And how is the postman?"),
        ("Ines", "He has broken his wrist on the stairs, so I have no lessons until January."),
        ("Tomas", "I am sorry to hear that. Give him a jar of honey from me when you visit him."),
        ("Ines", "I will. The bicycle is stolen, I wanted to tell you before you ask about it."),
        ("Tomas", "Oh no, the green one! After all those kilometres to Trieste and back, that is sad."),
    ),
}
_BEGAN = {
    "spring": datetime(2024, 4, 8, 9, tzinfo=UTC),
    "summer": datetime(2024, 7, 2, 18, tzinfo=UTC),
    "autumn": datetime(2024, 10, 19, 12, tzinfo=UTC),
}


def _turns() -> tuple[Turn, ...]:
    return tuple(
        Turn(f"{session}:{number}", session, author, text, _BEGAN[session] + timedelta(minutes=number))
        for session, said in _SAID.items()
        for number, (author, text) in enumerate(said)
    )


QUESTIONS = (
    Question(
        "fish", "What did Tomas catch at the lake?", "His first pike, almost four kilos", ("spring:1",), (), "single"
    ),
    Question("teacher", "Who teaches Ines the accordion?", "A retired postman", ("spring:8",), (), "single"),
    Question("bees", "Who looks after the bees of Tomas?", "His brother Pavel", ("summer:3", "summer:4"), (), "multi"),
    Question("clocks", "What does Tomas do at the museum?", "He restores clocks", ("summer:2",), (), "single"),
    Question(
        "flat", "Where does Tomas live in Ghent?", "In two rooms above an umbrella shop", ("autumn:1",), (), "single"
    ),
    Question("lessons", "Why are there no lessons?", "The postman broke his wrist", ("autumn:6",), (), "single"),
    Question("when", "When will Tomas move to Ghent?", "September 2024", ("summer:0",), (), "temporal"),
    Question("ride", "Where is the bicycle?", "It was stolen", ("autumn:8",), ("spring:4",), "update"),
    Question("cat", "What is the name of the cat of Ines?", None, (), (), "abstention"),
)

TALE = Conversation("tale", _turns(), QUESTIONS)
TALES = DataSet("tales", "1", (TALE,))
