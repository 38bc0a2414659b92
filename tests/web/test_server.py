"""The server without a browser: who may talk, who steers, what is sent, what survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from vertebro.errors import SessionError
from vertebro.web.journal import Journal, read
from vertebro.web.link import WorkerLink
from vertebro.web.protocol import WINDOW, unpack
from vertebro.web.server import POLICY, Trainer, check_exposure, create_app, listen
from web.conftest import TOKEN, until

OWN = {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}


@pytest.fixture
def client(trainer: Trainer) -> Iterator[TestClient]:
    with TestClient(create_app(trainer, token=TOKEN), base_url="http://127.0.0.1:8000") as found:
        yield found


class Talk:
    """One end of a socket, for tests."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.pictures = socket, []

    def say(self, kind: str, **fields: Any) -> None:
        self.socket.send_text(json.dumps({"kind": kind, **fields}))

    def hear(self) -> dict[str, Any]:
        """The next text; pictures on the way are kept."""
        while True:
            message = self.socket.receive()
            if message.get("bytes") is not None:
                self.pictures.append(unpack(message["bytes"]))
                continue
            return json.loads(message["text"])

    def until(self, wanted: Any, most: int = 600) -> dict[str, Any]:
        for _ in range(most):
            message = self.hear()
            if wanted(message):
                return message
        raise AssertionError("not heard")

    def state(self, wanted: Any) -> dict[str, Any]:
        return self.until(lambda m: m["type"] == "state" and wanted(m))


def ready(talk: Talk) -> Talk:
    talk.until(lambda m: m["type"] == "status" and m["phase"] == "run")
    return talk


def connect(client: TestClient, token: str = TOKEN, **headers: str) -> Any:
    return client.websocket_connect(f"/ws?token={token}", headers=OWN | headers)


def test_the_page_needs_its_token(client: TestClient) -> None:
    assert client.get("/", params={"token": "guess"}).status_code == 403
    answer = client.get("/", params={"token": TOKEN})
    assert answer.status_code == 200
    assert "NOT A PATIENT" in answer.text


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for place in ("/", "/static/app.js", "/keys.json", "/nothing"):
        assert client.get(place).headers["content-security-policy"] == POLICY


def test_another_name_for_this_machine_is_refused(client: TestClient) -> None:
    assert client.get("/", params={"token": TOKEN}, headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("wrong", {}),
        (TOKEN, {"origin": "http://evil.example"}),
        (TOKEN, {"origin": "http://127.0.0.1:9"}),
        (TOKEN, {"host": "evil.example", "origin": "http://evil.example"}),
    ],
)
def test_a_socket_needs_token_and_own_origin(client: TestClient, token: str, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect), connect(client, token, **headers) as socket:
        socket.receive_text()


def test_a_case_is_chosen_and_prepared_and_runs(client: TestClient) -> None:
    with connect(client) as socket:
        talk = Talk(socket)
        assert talk.hear()["type"] == "welcome"
        assert talk.hear()["phase"] == "choose"
        talk.say("begin", scenario="square", seed=2, mode="exam")
        ready(talk)
        assert talk.state(lambda m: m["time_s"] > 0)["finished"] is False


def test_a_case_begun_and_ready_before_the_server_runs_is_shown(trainer: Trainer) -> None:
    """``vertebro train CASE`` begins the case first: what its worker says until the server runs must not be lost."""
    trainer.begin("square", None, "coach")
    until(lambda: trainer.link is not None and trainer.link.ready)
    app = create_app(trainer, token=TOKEN)
    with TestClient(app, base_url="http://127.0.0.1:8000") as late, connect(late) as socket:
        talk = Talk(socket)
        talk.until(lambda m: m["type"] == "status" and m["phase"] == "run", most=20)
        talk.state(lambda state: state["tick"] > 0)


def test_a_worker_started_ahead_gets_the_case_that_is_chosen(client: TestClient, trainer: Trainer) -> None:
    trainer.await_choice()
    ahead = trainer._spare._worker[0]
    with connect(client) as socket:
        talk = Talk(socket)
        talk.say("begin", scenario="square")
        ready(talk)
        assert trainer.link is not None
        assert trainer.link.process is ahead
        talk.say("begin", scenario="square")  # the next case has a worker of its own
        until(lambda: trainer.link is not None and trainer.link.process not in (None, ahead))


def test_a_worker_nobody_took_ends_with_the_server(trainer: Trainer) -> None:
    trainer.await_choice()
    ahead = trainer._spare._worker[0]
    assert ahead.is_alive()
    trainer.end()
    assert not ahead.is_alive()


def test_a_worker_that_died_while_it_waited_is_replaced(client: TestClient, trainer: Trainer) -> None:
    trainer.await_choice()
    ahead = trainer._spare._worker[0]
    ahead.kill()
    ahead.join(5)
    with connect(client) as socket:
        talk = Talk(socket)
        talk.say("begin", scenario="square")
        ready(talk)


@pytest.mark.parametrize(
    ("choice", "where"),
    [({"scenario": "triangle"}, "scenario"), ({"scenario": "square", "mode": "fun"}, "mode"),
     ({"scenario": "square", "seed": -1}, "seed"), ({"scenario": "square", "seed": "a"}, "seed")],
)  # fmt: skip
def test_an_unknown_choice_is_refused_and_the_known_ones_named(
    client: TestClient, choice: dict[str, Any], where: str
) -> None:
    with connect(client) as socket:
        talk = Talk(socket)
        talk.say("begin", **choice)
        error = talk.until(lambda m: m["type"] == "refused")["error"]
        assert error["where"] == where
        assert error["allowed"]


def test_a_case_that_cannot_be_made_says_why(client: TestClient) -> None:
    with connect(client) as socket:
        talk = Talk(socket)
        talk.say("begin", scenario="circle")
        failed = talk.until(lambda m: m["type"] == "status" and m["phase"] == "failed")
        assert failed["error"]["cure"] == "take the square"


def test_pictures_come_while_the_pedal_is_down_and_never_more_than_the_window(
    client: TestClient, trainer: Trainer
) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("pedal", down=True, sent=77)
        assert talk.state(lambda m: m["arm"]["pedal"])["echo"] == 77
        talk.state(lambda m: m["dose"]["exposures"] > 20)
        assert len(talk.pictures) == WINDOW  # nothing was acknowledged
        last = talk.pictures[-1].number
        talk.say("ack", seq=talk.pictures[0].seq)
        until_count = len(talk.pictures) + 1
        while len(talk.pictures) < until_count:
            talk.hear()
        assert talk.pictures[-1].number > last + 5  # the newest, not the next
        talk.say("pedal", down=False)
        talk.state(lambda m: not m["arm"]["pedal"])


def test_a_refused_action_is_told_and_leaves_no_trace(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("inject", rate_ml_min=3)
        assert talk.until(lambda m: m["type"] == "refused")["error"]["cure"] == "mix it first"
        socket.send_text("no json")
        assert talk.until(lambda m: m["type"] == "refused")["command"] is None
        talk.say("speed", factor=3)
        assert talk.until(lambda m: m["type"] == "refused")["error"]["where"] == "speed"
        talk.say("mix")
        talk.state(lambda m: m["cement"]["mixed"])
        assert trainer.link is not None
        assert [command["kind"] for _, command in trainer.link.journal.lines] == ["mix"]


def test_one_page_steers_and_the_other_watches_until_it_takes_over(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as first, connect(client) as second:
        one, two = ready(Talk(first)), Talk(second)
        assert two.hear()["control"] is False
        ready(two)
        two.say("advance", distance_mm=1)
        assert "watches" in two.until(lambda m: m["type"] == "refused")["error"]["message"]
        one.say("pedal", down=True)
        two.state(lambda m: m["arm"]["pedal"])
        two.say("take_control")
        assert one.until(lambda m: m["type"] == "control")["control"] is False
        two.state(lambda m: not m["arm"]["pedal"])  # nobody holds it any more
        two.say("advance", distance_mm=1)
        assert two.state(lambda m: m["needles"])["needles"]["left"]["depth_mm"] == 1


def test_a_lost_socket_lets_go_of_pedal_and_syringe(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("mix")
        talk.say("pedal", down=True)
        talk.say("inject", rate_ml_min=3)
        talk.state(lambda m: m["arm"]["pedal"] and m["syringe"]["injecting"])
    with connect(client) as socket:
        talk = Talk(socket)
        talk.until(lambda m: m.get("control") is True)  # at once, or as soon as the lost one is noticed
        state = talk.state(lambda m: not m["arm"]["pedal"])
        assert state["syringe"]["injecting"] is None


def test_a_silent_page_lets_go_of_the_pedal(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("pedal", down=True)
        talk.state(lambda m: m["arm"]["pedal"])
        talk.state(lambda m: not m["arm"]["pedal"])  # no beat was sent


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_worker_comes_back_with_the_session(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        for _ in range(3):
            talk.say("advance", distance_mm=5)
        talk.say("mix")
        before = talk.state(lambda m: m["cement"]["mixed"] and m["time_s"] > 1)
        assert trainer.link is not None
        assert trainer.link.process is not None
        os.kill(trainer.link.process.pid or 0, signal.SIGKILL)
        ready(talk)
        after = talk.state(lambda m: True)
        assert after["needles"]["left"]["depth_mm"] == 15
        assert after["time_s"] >= before["time_s"]
        assert after["cement"]["age_s"] == pytest.approx(
            after["time_s"] - (before["time_s"] - before["cement"]["age_s"])
        )


def test_a_solver_that_always_fails_at_one_place_is_paused_before_it(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("advance", distance_mm=5)
        talk.say("fail_later")
        talk.until(lambda m: m["type"] == "status" and "twice" in m["text"])
        ready(talk)
        state = talk.state(lambda m: m["speed"] == 0)
        assert state["needles"]["left"]["depth_mm"] == 5
        assert trainer.link is not None
        _, lines = read(trainer.link.journal.path)
        assert lines[0][1]["kind"] == "advance"


def test_the_clock_pauses_and_hurries(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("speed", factor=0.0)
        paused = talk.state(lambda m: m["speed"] == 0)["time_s"]
        assert talk.state(lambda m: True)["time_s"] == paused
        talk.say("speed", factor=8)
        talk.state(lambda m: m["time_s"] > paused + 4)


def test_a_late_page_is_told_what_happened(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("pedal", down=True)
        talk.state(lambda m: m["dose"]["exposures"] > 2)
        talk.say("pedal", down=False)
        talk.state(lambda m: not m["arm"]["pedal"])
    with connect(client) as socket:
        talk = Talk(socket)
        assert talk.until(lambda m: m["type"] == "past")["events"][0]["event"] == "beam on"
        talk.state(lambda m: True)
        until(lambda: talk.pictures or talk.hear() is None)
        assert talk.pictures[0].about["pane"] == "ap"


def test_a_taken_port_names_itself_and_the_cure() -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(SessionError) as refusal:
        listen("127.0.0.1", port)
    assert str(port) in str(refusal.value)
    assert "cure" in str(refusal.value)
    first.close()
    with pytest.raises(SessionError):
        listen("127.0.0.1", 70000)


def test_a_server_others_can_reach_wants_a_token_of_its_owner() -> None:
    with pytest.raises(SessionError, match="others could reach"):
        check_exposure("0.0.0.0", None)
    with pytest.raises(SessionError, match="guessed"):
        check_exposure("127.0.0.1", "short")
    assert check_exposure("0.0.0.0", TOKEN) == TOKEN
    assert len(check_exposure("127.0.0.1", None)) > 20


def test_another_case_does_not_wait_for_a_worker_that_is_busy(client: TestClient, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    with connect(client) as socket:
        talk = ready(Talk(socket))
        talk.say("pedal", down=True)
        talk.state(lambda m: m["dose"]["exposures"] > 10)  # pictures wait: nothing is acknowledged
        old = trainer.link
        assert old is not None
        talk.say("sleep", seconds=1.5)
        talk.say("begin", scenario="square", seed=2)
        talk.until(lambda m: m["type"] == "reset")
        assert old.process is not None
        assert old.process.is_alive()
        seen = len(talk.pictures)
        ready(talk)
        talk.state(lambda m: m["tick"] > 5)
        assert len(talk.pictures) == seen  # none of the old session
        until(lambda: not old.process.is_alive())


def test_a_word_after_the_end_is_not_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {})
    journal.close()
    journal.event("late")
    assert "late" not in journal.path.read_text()


def test_a_link_that_was_stopped_starts_no_worker(tmp_path: Path) -> None:
    link = WorkerLink("web.fake_session:make", tmp_path, scenario="square", seed=1, mode="coach", listener=print)
    link.stop()
    link.start()
    assert link.process is None


def test_the_server_is_light_so_that_the_page_comes_at_once() -> None:
    heavy = ("numba", "scipy", "numpy", "pyvista", "vertebro.simulation")
    code = f"import sys, vertebro.web.server; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
