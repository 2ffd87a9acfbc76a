"""Reading files in the formats of LoCoMo and BEAM. The files are made here: theirs may not be in the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recall.datasets import DATASETS, CannotRead, beam, dataset, locomo
from benchmarks.recall.datasets.files import version

LOCOMO: list[dict[str, Any]] = [
    {
        "sample_id": "talk-1",
        "conversation": {
            "speaker_a": "Ines",
            "speaker_b": "Tomas",
            "session_2_date_time": "9:05 am on 3 June, 2024",
            "session_2": [{"speaker": "Tomas", "dia_id": "D2:1", "text": "The bees are well."}],
            "session_1_date_time": "11:30 pm on 31 May, 2024",
            "session_1": [
                {"speaker": "Ines", "dia_id": "D1:1", "text": "Look at this!", "blip_caption": "a green bicycle"},
                {"speaker": "Tomas", "dia_id": "D1:2", "text": "Very nice."},
            ],
            "session_3_date_time": "9:05 am on 4 June, 2024",
        },
        "qa": [
            {
                "question": "What did Ines show?",
                "answer": "A bicycle",
                "evidence": ["D1:1; D2:1", "D9:9"],
                "category": 4,
            },
            {"question": "In which year?", "answer": 2024, "evidence": ["D1:2"], "category": 2},
            {"question": "Nothing to cite?", "answer": "No", "evidence": ["D"], "category": 1},
            {"question": "Never said?", "adversarial_answer": "x", "evidence": ["D1:1"], "category": 5},
        ],
    }
]
CORRECTIONS = [
    {"sample_id": "talk-1", "question": "In which year?", "correct_answer": "2023", "correct_evidence": ["D2:1"]},
]


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_locomo_is_read_in_the_order_of_its_sessions(tmp_path: Path) -> None:
    [talk] = locomo.load(written(tmp_path / "l.json", LOCOMO)).conversations
    assert [turn.id for turn in talk.turns] == ["D1:1", "D1:2", "D2:1"]
    assert talk.turns[0].text == "Look at this! [shares a green bicycle]"
    assert talk.turns[1].at.isoformat() == "2024-05-31T23:31:00+00:00"


def test_locomos_questions_are_those_whose_evidence_is_there(tmp_path: Path) -> None:
    [talk] = locomo.load(written(tmp_path / "l.json", LOCOMO)).conversations
    assert [(q.id, q.category, q.answer, q.gold) for q in talk.questions] == [
        ("q0", "single", "A bicycle", ("D1:1", "D2:1")),
        ("q1", "temporal", "2024", ("D1:2",)),
    ]


def test_corrections_replace_answer_and_evidence(tmp_path: Path) -> None:
    corrections = written(tmp_path / "c.json", CORRECTIONS)
    [talk] = locomo.load(written(tmp_path / "l.json", LOCOMO), corrections).conversations
    assert (talk.questions[1].answer, talk.questions[1].gold) == ("2023", ("D2:1",))


def test_a_file_that_is_not_known_is_named_by_its_hash_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "l.json", LOCOMO)
    named = version(path, {})
    assert named.startswith("sha256:")
    assert "none of the files known here" in capsys.readouterr().err
    written(path, [])
    assert version(path, {}) != named


BATCHES = [
    {
        "batch_number": 1,
        "time_anchor": "March-15-2024",
        "turns": [
            [
                {"id": 0, "role": "user", "content": "I keep bees. " * 60 + "->-> 1,1", "time_anchor": "March-15-2024"},
                {"id": 1, "role": "assistant", "content": "word " * 200},
            ]
        ],
    },
    {"batch_number": 2, "turns": [[{"id": 2, "role": "user", "content": "Pavel has them now."}]]},
]
PROBING = {
    "knowledge_update": [
        {"question": "Who has the bees?", "answer": "Pavel", "source_chat_ids": {"original": [0], "updated": [2]}},
    ],
    "information_extraction": [
        {"question": "What is kept?", "ideal_answer": "Bees", "source_chat_ids": [0, 0]},
        {"question": "Which message?", "answer": "None", "source_chat_ids": [77]},
    ],
    "summarization": [{"question": "Sum it up.", "ideal_summary": "Bees.", "source_chat_ids": [0, 1, 2]}],
    "abstention": [{"question": "How many hives?", "ideal_response": "It was not said."}],
}


def beam_folder(folder: Path, chat: Any = BATCHES) -> Path:
    written(folder / "7" / "chat.json", chat)
    written(folder / "7" / "probing_questions" / "probing_questions.json", PROBING)
    return folder


def test_beams_messages_are_cut_into_turns(tmp_path: Path) -> None:
    [chat] = beam.load(beam_folder(tmp_path)).conversations
    lengths = [(turn.author, turn.session, len(turn.text.split())) for turn in chat.turns]
    assert lengths == [("user", "1", 120), ("user", "1", 60), ("assistant", "1", 80), ("user", "2", 4)]
    assert chat.turns[0].at.isoformat() == "2024-03-15T00:00:00+00:00"
    assert "->->" not in "".join(turn.text for turn in chat.turns)


def test_beams_gold_is_every_piece_of_what_a_question_names(tmp_path: Path) -> None:
    [chat] = beam.load(beam_folder(tmp_path)).conversations
    assert [(q.id, q.answer, q.gold) for q in chat.questions] == [
        ("knowledge_update-0", "Pavel", ("0.0", "0.1", "2.0")),
        ("information_extraction-0", "Bees", ("0.0", "0.1")),
    ]


def test_beams_questions_about_an_id_that_two_messages_have_are_left_out(tmp_path: Path) -> None:
    plans = [{"plan-1": BATCHES}, {"plan-2": BATCHES}]
    [chat] = beam.load(beam_folder(tmp_path, plans)).conversations
    assert len(chat.turns) == 8
    assert {turn.session for turn in chat.turns} == {"plan-1/1", "plan-1/2", "plan-2/1", "plan-2/2"}
    assert chat.questions == ()


@pytest.mark.parametrize("name", ["locomo", "beam"])
def test_who_gives_no_path_or_a_wrong_one_is_told_where_to_get_it(name: str, tmp_path: Path) -> None:
    wrong = written(tmp_path / "1" / "chat.json", [{"qa": 1}])
    for path in (None, tmp_path if name == "beam" else wrong, tmp_path / "missing"):
        with pytest.raises(CannotRead, match=r"github\.com|cannot be read"):
            dataset(name, path)


def test_every_registered_data_set_has_a_loader() -> None:
    for name in DATASETS:
        module, _, function = DATASETS[name].partition(":")
        assert module.startswith("benchmarks.recall.datasets.")
        assert function == "load"
