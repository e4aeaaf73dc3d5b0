"""Requests in all forms, and bad ones: each a 4xx with one line of JSON, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from airflow_mlops.core.serving.http import MAX_BODY
from tests.core.serving.fakes import MODEL, ROW, answer_of, client

PATH = f"/endpoints/{MODEL}/invocations"
CSV = {"content-type": "text/csv"}


@pytest.fixture
def http(shared_url: str) -> Iterator[httpx.Client]:
    with client(shared_url) as http:
        yield http


def message_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"message"}
    assert "\n" not in body["message"]
    return str(body["message"])


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"x": 1, "carrier": "UA"}, {"x": 2, "carrier": None}]},
        [{"x": 1, "carrier": "UA"}, {"x": 2, "carrier": None}],
        {"columns": ["carrier", "x"], "data": [["UA", 1], [None, 2]]},
        {"columns": ["carrier", "x", "id"], "data": [["UA", 1, 7], [None, 2, 8]]},
    ],
)
def test_json_forms(http: httpx.Client, body: object) -> None:
    response = http.post(PATH, json=body)
    assert response.status_code == 200
    assert response.json() == {"predictions": [1.001, 1.002]}
    assert response.headers["x-amzn-invoked-production-variant"] == "v1"
    assert response.headers["x-amzn-sagemaker-inference-id"]


@pytest.mark.parametrize(
    "body",
    [
        "x,carrier\n1,UA\n2,\n",
        "carrier,x,id\nUA,1,a\n,2,b",
        "1,UA\r\n2,\r\n",
        '\ufeffx,carrier\n1,"U,A"\n\n2.0,UA\n',
    ],
)
def test_csv_forms(http: httpx.Client, body: str) -> None:
    response = http.post(PATH, content=body.encode(), headers={**CSV, "accept": "text/csv"})
    assert response.status_code == 200, response.text
    assert response.text == "1.001\n1.002\n"
    assert response.headers["content-type"] == "text/csv"


def test_csv_header_parameter_decides(http: httpx.Client) -> None:
    absent = http.post(
        PATH, content=b"1,x", headers={"content-type": "text/csv; charset=utf-8; header=absent"}
    )
    assert absent.json() == {"predictions": [1.001]}
    present = http.post(PATH, content=b"1,UA", headers={"content-type": "text/csv; header=present"})
    assert present.status_code == 400


def test_inference_id_is_echoed(http: httpx.Client) -> None:
    response = http.post(PATH, json=[ROW], headers={"x-amzn-sagemaker-inference-id": "my id 1"})
    assert response.headers["x-amzn-sagemaker-inference-id"] == "my id 1"


@pytest.mark.parametrize(
    "body, says",
    [
        (b"", "an empty body"),
        (b"{", "body is not JSON"),
        (b'{"instances": [{"x": NaN, "carrier": "UA"}]}', "NaN and Infinity are not JSON"),
        (b'[{"x": 1e999, "carrier": "UA"}]', "out of range"),
        (b"[" * 50_000, "nested too deeply"),
        (b'[{"x": "\xff"}]', "UTF-8"),
        (b"3", "another form"),
        (b'{"rows": []}', "given fields rows"),
        (b'{"instances": []}', "no rows"),
        (b'{"instances": [3]}', "row 0 is not an object"),
        (b'{"columns": ["x"], "data": [[1, 2]]}', "row 0 does not fit the columns"),
        (b'{"columns": ["x", "x"], "data": [[1, 2]]}', "named twice: given x"),
        (b'{"columns": "x", "data": [[1, 2]]}', "columns and data are lists"),
        (b'[{"x": 1}]', "row 0 lacks carrier"),
        (b'[{"x": 1, "carrier": "UA"}, {"x": 1, "carrier": "UA", "dep_delay": 3}]', "dep_delay"),
        (b'[{"x": "one", "carrier": "UA"}]', "x"),
        (b'[{"x": 1, "carrier": 5}]', "carrier"),
        (json.dumps([ROW] * 101).encode(), "too many rows; given 101; expected at most 100"),
    ],
)
def test_bad_json_is_refused_in_one_line(http: httpx.Client, body: bytes, says: str) -> None:
    response = http.post(PATH, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert says.replace(": given", "; given") in message_of(response)
    assert http.post(PATH, json=[ROW]).status_code == 200


@pytest.mark.parametrize(
    "body, says",
    [
        (b"", "no rows"),
        (b"x,carrier\n", "no rows"),
        (b"x,carrier\nnan,UA", "x is not a number; given nan"),
        (b"x,carrier\n1_0,UA", "x is not a number"),
        (b"x,carrier\n1e999,UA", "x is not a number"),
        (b"x,carrier\n1", "row 0 does not fit the columns; given 1 fields"),
        (b"x,x\n1,2", "named twice"),
        (b"1,2,3", "given 3 fields; expected 2: x, carrier"),
        (b'1,"UA', "body is not CSV"),
        (b"1,\xff", "UTF-8"),
        (b"x\n1", "lacks carrier"),
    ],
)
def test_bad_csv_is_refused_in_one_line(http: httpx.Client, body: bytes, says: str) -> None:
    response = http.post(PATH, content=body, headers=CSV)
    assert response.status_code == 400
    assert says in message_of(response)


@pytest.mark.parametrize(
    "method, path, headers, status, says",
    [
        (
            "POST",
            "/endpoints/other/invocations",
            {},
            404,
            "no such endpoint; given other; expected flight_delay",
        ),
        ("POST", "/endpoints/..%2f..%2fetc/reconcile", {}, 404, "no such"),
        ("GET", "/endpoints/other", {}, 404, "no such endpoint"),
        ("GET", "/nothing", {}, 404, "no such path"),
        ("GET", PATH, {}, 405, "expected POST"),
        ("POST", PATH, {"content-type": "application/x-npy"}, 415, "application/x-npy"),
        ("POST", PATH, {"content-type": "application/json", "content-encoding": "gzip"}, 415, "compressed"),
        ("POST", PATH, {"content-type": "application/json", "accept": "image/png"}, 406, "image/png"),
        (
            "POST",
            PATH,
            {"content-type": "application/json", "x-amzn-sagemaker-inference-id": "a" * 65},
            400,
            "id",
        ),
        (
            "POST",
            PATH,
            {"content-type": "application/json", "x-amzn-sagemaker-target-variant": "v9"},
            400,
            "no such variant serves; given v9; expected v1",
        ),
    ],
)
def test_other_refusals(
    http: httpx.Client, method: str, path: str, headers: dict[str, str], status: int, says: str
) -> None:
    response = http.request(method, path, content=json.dumps([ROW]).encode(), headers=headers)
    assert response.status_code == status
    assert says in message_of(response)


def test_a_100_mb_body_is_refused_early(http: httpx.Client) -> None:
    """A client that sends all of it gets the answer; and it comes right after the headers, as one sees that sends
    nothing else.
    """
    response = http.post(PATH, content=b" " * 100_000_000, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "given 100000000 bytes; expected at most 6291456" in message_of(response)
    with socket.create_connection((http.base_url.host, http.base_url.port or 0)) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert http.post(PATH, json=[ROW]).status_code == 200


def test_a_large_body_in_chunks_is_refused_when_it_is_too_large(http: httpx.Client) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield b" " * 100_000

    response = http.post(PATH, content=chunks(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert f"more than {MAX_BODY} bytes" in message_of(response)
    assert http.post(PATH, json=[ROW]).status_code == 200


def test_a_batch_of_many_rows_is_answered_in_order(http: httpx.Client) -> None:
    rows = [{"x": float(i), "carrier": "UA"} for i in range(100)]
    assert http.post(PATH, json=rows).json()["predictions"] == [answer_of(1, row) for row in rows]


def test_caller_that_goes_away_harms_nobody(http: httpx.Client) -> None:
    for payload in (b"x", b'[{"x": 1, "carrier": "UA"}]'):
        with socket.create_connection((http.base_url.host, http.base_url.port or 0)) as connection:
            head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 27\r\ncontent-type: application/json\r\n\r\n"
            connection.sendall(head.encode() + payload)
    assert http.post(PATH, json=[ROW]).status_code == 200
