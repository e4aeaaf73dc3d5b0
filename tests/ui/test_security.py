"""Nobody sees anything without a login and permission, and whatever stands in records is text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store import Store
from airflow_mlops.ui import models
from airflow_mlops.ui.app import create_app
from airflow_mlops.ui.mounted import PREFIX, MountedApp
from tests.ui.conftest import HERE, PerDag, SignIn, connection
from tests.ui.world import register

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that the app answers, with something for each parameter."""
    found = []
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} is no route of FastAPI's: does it ask for a login?"
        path = re.sub(r"{(?:number|version)[^}]*}", "1", route.path)
        found += [(method, re.sub(r"{[^}]*}", "orders", path)) for method in route.methods]
    return found


def test_no_route_answers_without_a_session(sign_in: SignIn, store: Store) -> None:
    register(store, "orders")
    client, routes = sign_in(None), _routes(create_app())
    assert {"/", "/static/orders", "/models/orders", "/models/orders/versions/1"} <= {
        one for _, one in routes
    }
    for method, path in routes:
        answer = client.request(method, f"{HERE}{path}")
        assert answer.status_code == 401, f"{method} {path}"
        assert "orders" not in answer.text
        assert "log in" in answer.text


@pytest.mark.parametrize(
    "token", ["", "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwicm9sZSI6ImFkbWluIn0."]
)
def test_a_token_that_airflow_did_not_sign_opens_nothing(sign_in: SignIn, store: Store, token: str) -> None:
    client = sign_in(None)
    client.cookies.set("_token", token)
    assert client.get(f"{HERE}/").status_code in (401, 403)


def test_airflows_session_cookie_opens_the_pages(sign_in: SignIn, store: Store, manager: PerDag) -> None:
    client = sign_in(None)
    client.cookies.set("_token", manager.generate_jwt(SimpleAuthManagerUser(username="a", role="viewer")))
    assert client.get(f"{HERE}/").status_code == 200


def test_pages_only_read(sign_in: SignIn, store: Store) -> None:
    assert {method for method, _ in _routes(create_app())} <= {"GET", "HEAD"}
    assert sign_in().post(f"{HERE}/").status_code == 405


def test_a_model_that_one_may_not_see_is_as_one_that_is_not_there(
    sign_in: SignIn, store: Store, manager: PerDag
) -> None:
    register(store, "orders")
    register(store, "salaries", owner="the secret owner")
    manager.hidden = frozenset({"salaries.release", "nothing.release"})
    client = sign_in()
    listed = client.get(f"{HERE}/").text
    assert "orders" in listed
    assert "salaries" not in listed
    assert "secret" not in listed
    for _, path in _routes(create_app()):
        if path.startswith("/models/orders"):
            hidden = client.get(HERE + path.replace("orders", "salaries", 1))
            absent = client.get(HERE + path.replace("orders", "nothing", 1))
            assert hidden.status_code == absent.status_code == 404, path
            assert hidden.text == absent.text


def test_somebody_without_a_role_sees_no_model(sign_in: SignIn, store: Store) -> None:
    register(store, "orders")
    answer = sign_in("")
    assert "orders" not in answer.get(f"{HERE}/").text
    assert answer.get(f"{HERE}/models/orders").status_code == 404


def test_who_may_only_look_is_offered_nothing_to_do(sign_in: SignIn, store: Store) -> None:
    register(store, "orders")
    paths = ("/models/orders", "/models/orders/versions/1")
    for path in paths:
        assert 'class="actions"' in sign_in("user").get(f"{HERE}{path}").text
        assert 'class="actions"' not in sign_in("viewer").get(f"{HERE}{path}").text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/models/orders",
        "/models/none",
        "/nowhere",
        "/?page=0",
        "/?mood=%3Cb%3E",
        "/static/page.js",
        "/static/pictures.css",
        "/static/none",
    ],
)
@pytest.mark.parametrize("role", [None, "admin"])
def test_every_answer_has_the_policy(sign_in: SignIn, store: Store, path: str, role: str | None) -> None:
    register(store, "orders")
    _require_policy(sign_in(role).get(f"{HERE}{path}"))


def test_a_fault_of_ours_has_the_policy_and_tells_no_secret(
    sign_in: SignIn, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Store) -> tuple[str, ...]:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(models, "model_names", fail)
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code == 500
    assert "RuntimeError" in answer.text
    assert "hunter2" not in answer.text
    _require_policy(answer)


def _require_policy(answer: object) -> None:
    headers = answer.headers  # type: ignore[attr-defined]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_text_of_a_record_is_text(sign_in: SignIn, store: Store) -> None:
    register(store, "orders", description=HOSTILE, owner=f'"{HOSTILE}', team="'x' onload=1", contact=HOSTILE)
    page = sign_in().get(f"{HERE}/", params={"q": '"><script>'}).text
    page += sign_in().get(f"{HERE}/").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert '"><script>' not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_name_of_a_model_is_text(sign_in: SignIn, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "models" / "<img src=x onerror=alert(1)>" / "versions"
    register(store, "orders")
    folder.mkdir(parents=True)
    text = store.read(f"models/orders/versions/{1:010d}.json")
    (folder / f"{1:010d}.json").write_bytes(text)
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code in (200, 503)
    assert "<img" not in answer.text


def test_text_neither_turns_the_page_nor_ends_it(sign_in: SignIn, store: Store) -> None:
    register(store, "orders", description="a\N{RIGHT-TO-LEFT OVERRIDE}b\0c\x1b[31md", owner="شركة")
    page = sign_in().get(f"{HERE}/").text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert "\0" not in page
    assert "\x1b" not in page
    assert "a�b�c�[31md" in page
    assert "شركة" in page


def test_a_huge_record_makes_no_huge_page(sign_in: SignIn, store: Store) -> None:
    register(store, "orders", description="x" * 10_000_000, owner="y" * 1_000_000)
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code == 200
    assert len(answer.content) < 100_000


def test_a_record_that_is_damaged_is_told_and_the_others_are_shown(sign_in: SignIn, store: Store) -> None:
    register(store, "orders")
    store.create(f"models/broken/versions/{1:010d}.json", b"{" * 1000)
    page = sign_in().get(f"{HERE}/").text
    assert "orders" in page
    assert "broken" in page


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "page.js%00.css",
        "/etc/passwd",
        "app.py",
        "",
    ],
)
def test_static_files_are_those_of_a_list(sign_in: SignIn, store: Store, name: str) -> None:
    answer = sign_in().get(f"{HERE}/static/{name}")
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize("name", ["page.css", "pictures.css", "page.js", "htmx.min.js"])
def test_static_files_are_served(sign_in: SignIn, name: str) -> None:
    answer = sign_in("viewer").get(f"{HERE}/static/{name}")
    assert answer.status_code == 200
    assert answer.content
    assert answer.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript")


@pytest.mark.parametrize(
    "extra, said",
    [
        ({"store": "ftp://nowhere/x"}, "ftp"),
        ({"sagemaker": "{"}, "sagemaker"),
        ({"endpoint": "http://user:hunter2@host"}, "password"),
    ],
)
def test_a_mistake_in_the_connection_is_one_line(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, extra: dict[str, object], said: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", connection(**extra))
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code == 503
    assert said in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    _require_policy(answer)


def test_a_connection_that_is_not_there_is_one_line(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MLOPS__CONN_ID", "mlops_of_nobody")
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code == 503
    assert "mlops_of_nobody" in answer.text


def test_a_store_that_can_not_be_reached_is_one_line(
    sign_in: SignIn, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Store) -> tuple[str, ...]:
        raise StoreError("the bucket does not answer")

    monkeypatch.setattr(models, "model_names", fail)
    answer = sign_in().get(f"{HERE}/")
    assert answer.status_code == 503
    assert "the bucket does not answer" in answer.text


def test_the_plugins_app_is_behind_the_login_too(manager: PerDag, store: Store) -> None:
    root = FastAPI()
    root.mount(PREFIX, MountedApp())
    assert TestClient(root).get(f"{PREFIX}/").status_code == 401
