"""Whose a job is, and where its code lies; the checkout is read without git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airflow_mlops.core.lineage.checkout import source_file
from airflow_mlops.core.lineage.jobs import feature_code, job_facets
from tests.core.lineage import records

COMMIT = "1234567890" * 4


def checkout(root: Path, url: str, head: str = "ref: refs/heads/main") -> Path:
    """A checkout with one DAG file."""
    (root / ".git" / "refs" / "heads").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(f"{head}\n")
    (root / ".git" / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n')
    (root / ".git" / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    file = root / "dags" / "orders.py"
    file.parent.mkdir()
    file.touch()
    return file


@pytest.mark.parametrize(
    "url, repository",
    [
        ("https://github.com/shop/dags.git", "https://github.com/shop/dags.git"),
        ("https://ann:token@git.shop.example:8443/dags", "https://git.shop.example:8443/dags"),
        ("git@github.com:shop/dags.git", "https://github.com/shop/dags.git"),
        ("ssh://git:secret@git.shop.example:22/shop/dags.git", "https://git.shop.example/shop/dags.git"),
    ],
)
def test_a_dag_file_in_a_checkout_is_named_on_the_web_without_credentials(
    tmp_path: Path, url: str, repository: str
) -> None:
    facet = job_facets({}, str(checkout(tmp_path, url)))["sourceCodeLocation"]
    assert (facet.repoUrl, facet.path, facet.version, facet.branch) == (
        repository,
        "dags/orders.py",
        COMMIT,
        "main",
    )
    assert facet.url == f"{repository.removesuffix('.git')}/blob/{COMMIT}/dags/orders.py"
    assert str(tmp_path) not in str(facet)
    assert "token" not in str(facet)
    assert "secret" not in str(facet)


def test_what_git_itself_makes_is_read(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=ann", "-c", "user.email=ann@shop.example")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "first")
    git("remote", "add", "origin", "https://github.com/shop/dags.git")
    commit = git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    found = source_file(tmp_path / "a.py")
    assert found is not None
    assert (found.commit, found.branch) == (commit, "main")
    git("worktree", "add", "-q", "--detach", "tree")
    detached = source_file(tmp_path / "tree" / "a.py")
    assert detached is not None
    assert (detached.commit, detached.branch, detached.path) == (commit, None, "a.py")


def test_a_clone_of_a_local_mirror_is_named_by_the_mirrors_origin(tmp_path: Path) -> None:
    """As Airflow's git bundle makes one."""
    mirror = tmp_path / "bare"
    mirror.mkdir()
    (mirror / "config").write_text('[remote "origin"]\n\turl = https://github.com/shop/dags.git\n')
    found = source_file(checkout(tmp_path / "clone", str(mirror)))
    assert found is not None
    assert found.repository == "https://github.com/shop/dags.git"


@pytest.mark.parametrize("url", ["/srv/git/dags", "file:///srv/git/dags", "", "https://"])
def test_what_is_not_on_the_web_is_not_named(tmp_path: Path, url: str) -> None:
    assert source_file(checkout(tmp_path, url)) is None


@pytest.mark.parametrize("head", ["", "ref: refs/heads/gone", "ref: ../../etc/passwd", "12ab"])
def test_a_checkout_without_a_commit_is_none(tmp_path: Path, head: str) -> None:
    assert source_file(checkout(tmp_path, "https://github.com/shop/dags", head)) is None


def test_outside_of_a_checkout_there_is_nothing_to_name(tmp_path: Path) -> None:
    assert "sourceCodeLocation" not in job_facets(records.OWNED, str(tmp_path / "dag.py"))


def test_feature_code_is_named_by_its_content() -> None:
    (facet,) = feature_code(records.trained_model(), "s3://bucket/mlops/").values()
    assert facet.url == f"s3://bucket/mlops/blobs/cc/{'c' * 64}"
    assert (facet.path, facet.version) == ("flight_features:build", "c" * 64)
    assert feature_code(records.trained_model().model_copy(update={"code": None}), "s3://bucket") == {}
