"""What a configuration means for a pull: only keys that can run nothing count, and every refusal has its reason."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.pull import SAFE_PROTOCOLS, PullSkipped
from konivrer_watch.core.pull_config import (
    Configuration,
    Entry,
    Upstream,
    find_upstream,
    is_ref_name,
    protocol_of,
    read_entries,
    refuse_format,
    shown_url,
    tracking_ref,
)

USUAL = {
    "core.repositoryformatversion": "0",
    "branch.main.remote": "origin",
    "branch.main.merge": "refs/heads/main",
    "remote.origin.url": "https://example.org/x.git",
    "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
}


def configuration(scope: str = "local", changed: Mapping[str, str | None] | None = None) -> Configuration:
    """The usual one with other values, or without a key."""
    values = {**USUAL, **(changed or {})}
    return Configuration(
        tuple(Entry(scope, key, value) for key, value in values.items() if value is not None)
    )


def with_entries(*entries: tuple[str, str, str]) -> Configuration:
    return Configuration((*configuration().entries, *(Entry(*each) for each in entries)))


TEXT = st.binary(min_size=1, max_size=12).filter(lambda data: b"\0" not in data and b"\n" not in data)


@given(
    st.lists(st.tuples(st.sampled_from(["system", "global", "local", "worktree"]), TEXT, st.none() | TEXT))
)
def test_what_git_lists_is_read_back(entries: list[tuple[str, bytes, bytes | None]]) -> None:
    output = b"".join(
        scope.encode() + b"\0" + key + (b"" if value is None else b"\n" + value) + b"\0"
        for scope, key, value in entries
    )
    found = read_entries(output).entries
    assert [(each.scope, each.key.encode(errors="surrogateescape")) for each in found] == [
        (scope, key) for scope, key, _ in entries
    ]
    assert [each.value.encode(errors="surrogateescape") for each in found] == [
        b"true" if value is None else value for _, _, value in entries
    ]


def test_the_last_value_holds_and_a_users_is_told_from_a_repositorys() -> None:
    found = with_entries(("global", "core.sshcommand", "mine"), ("local", "core.sshcommand", "theirs"))
    assert found.last("core.sshcommand") == "theirs"
    assert found.of_user("core.sshcommand") == "mine"
    assert found.of_user("core.eol") is None
    assert found.unused() == "core.sshcommand"
    assert configuration().unused() is None


DANGEROUS = (
    *("core.fsmonitor", "core.hookspath", "core.pager", "core.editor", "core.sshcommand", "core.gitproxy"),
    *("core.askpass", "core.alternaterefscommand", "core.worktree", "core.bare", "core.ignorestat"),
    *("diff.external", "diff.x.textconv", "merge.x.driver", "filter.x.smudge", "filter.x.process"),
    *("gpg.program", "credential.helper", "alias.x", "include.path", "merge.autostash", "submodule.recurse"),
    *("core.protecthfs", "core.protectntfs", "trace2.eventtarget", "http.proxy", "url.x.insteadof"),
)


@pytest.mark.parametrize("key", DANGEROUS)
def test_a_key_that_could_do_something_is_not_kept(key: str) -> None:
    assert key not in with_entries(("local", key, "x"), ("local", "core.eol", "lf")).kept()
    assert with_entries(("local", key, "x"), ("local", "core.eol", "lf")).kept() == {"core.eol": "lf"}


def test_filters_are_known_by_name_whoever_configured_them() -> None:
    found = with_entries(("global", "filter.lfs.process", "x"), ("local", "filter.a.b.clean", "x"))
    assert found.filters() == {"lfs", "a.b"}
    assert configuration().filters() == frozenset()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.repositoryformatversion", "2"),
        ("extensions.objectformat", "sha256"),
        ("extensions.refstorage", "reftable"),
        ("extensions.tomorrow", "x"),
        ("extensions.partialclone", "origin"),
        ("remote.origin.promisor", "true"),
    ],
)
def test_a_format_that_is_not_handled_is_refused(key: str, value: str) -> None:
    with pytest.raises(PullSkipped):
        refuse_format(with_entries(("local", key, value)))


@pytest.mark.parametrize("name", ["worktreeconfig", "noop", "relativeworktrees", "preciousobjects"])
def test_an_extension_that_changes_nothing_for_us_is_no_matter(name: str) -> None:
    refuse_format(
        with_entries(("local", f"extensions.{name}", "true"), ("local", "extensions.objectformat", "sha1"))
    )


def test_a_repository_without_configuration_is_refused() -> None:
    with pytest.raises(PullSkipped, match="does not know the repository's format"):
        refuse_format(configuration("global"))


def test_the_usual_upstream_is_found() -> None:
    expected = Upstream("origin", USUAL["remote.origin.url"], "refs/heads/main", "refs/remotes/origin/main")
    found = find_upstream(configuration(), "main", SAFE_PROTOCOLS)
    assert found == expected
    assert found.name == "origin/main"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"branch.main.remote": None}, "no upstream"),
        ({"branch.main.merge": None}, "no upstream"),
        ({"branch.main.remote": "."}, "follows a local branch"),
        ({"branch.main.merge": "refs/heads/a:refs/heads/b"}, "no reference"),
        ({"remote.origin.url": None}, "no URL"),
        ({"remote.origin.url": ""}, "no URL"),
        ({"remote.origin.vcs": "hg"}, "needs the helper hg"),
        ({"remote.origin.url": "ext::sh"}, "reached by ext"),
        ({"remote.origin.url": "http://x/y"}, "reached by http,"),
    ],
)
def test_why_there_is_no_upstream_is_said(changed: dict[str, str | None], words: str) -> None:
    with pytest.raises(PullSkipped, match=words):
        find_upstream(configuration(changed=changed), "main", SAFE_PROTOCOLS)


def test_several_upstreams_are_none() -> None:
    with pytest.raises(PullSkipped, match="several upstreams"):
        find_upstream(with_entries(("local", "branch.main.merge", "refs/heads/b")), "main", SAFE_PROTOCOLS)


def test_the_protocol_is_that_of_the_url_as_the_user_rewrites_it() -> None:
    rewriting = ("url.https://example.org/.insteadof", "gone::")
    ours = with_entries(("local", "remote.origin.url", "x"), ("global", *rewriting)).entries
    url = "gone::x"
    entries = [each for each in ours if each.key != "remote.origin.url"]
    mine = Configuration((*entries, Entry("local", "remote.origin.url", url)))
    assert find_upstream(mine, "main", SAFE_PROTOCOLS).url == url
    theirs = Configuration(tuple(Entry("local", each.key, each.value) for each in mine.entries))
    with pytest.raises(PullSkipped, match="reached by gone"):
        find_upstream(theirs, "main", SAFE_PROTOCOLS)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        *(("https://x/y", "https"), ("HTTPS://x/y", "https"), ("http://x", "http"), ("git://x/y", "git")),
        *(
            ("ssh://x/y", "ssh"),
            ("git+ssh://x/y", "ssh"),
            ("a@b:c/d", "ssh"),
            ("b:c", "ssh"),
            ("[::1]:x", "ssh"),
        ),
        *(("/x/y", "file"), ("../x", "file"), ("./a:b", "file"), ("file:///x", "file"), ("x", "file")),
        *(("ext::sh -c x", "ext"), ("fd::3", "fd"), ("ftp://x", "ftp"), ("a.b-c+d::x", "a.b-c+d")),
    ],
)
def test_the_protocol_of_a_url(url: str, protocol: str) -> None:
    assert protocol_of(url) == protocol


@pytest.mark.parametrize(
    ("refspecs", "expected"),
    [
        (["+refs/heads/*:refs/remotes/origin/*"], "refs/remotes/origin/a/b"),
        (["refs/heads/a/b:refs/remotes/x/y"], "refs/remotes/x/y"),
        (["refs/heads/other:refs/remotes/x/y", "refs/heads/a/*:refs/remotes/z/*"], "refs/remotes/z/b"),
        (["+refs/heads/*:refs/remotes/o/*", "^refs/heads/a/*"], None),
        (["+refs/heads/*:refs/heads/*"], None),
        (["+refs/*:refs/*"], None),
        (["refs/heads/a/b"], None),
        (["+refs/heads/*:refs/remotes/../heads/*"], None),
        ([], None),
    ],
)
def test_the_tracking_reference_lies_among_the_remotes_or_is_none(
    refspecs: list[str], expected: str | None
) -> None:
    assert tracking_ref(refspecs, "refs/heads/a/b") == expected


@given(st.lists(st.text("+^:*/abrefshdmot.", max_size=40)), st.text("abc/", min_size=1, max_size=8))
def test_no_refspec_leads_elsewhere(refspecs: list[str], name: str) -> None:
    found = tracking_ref(refspecs, f"refs/heads/{name}")
    assert found is None or (found.startswith("refs/remotes/") and is_ref_name(found))


@given(st.text(max_size=400))
def test_a_shown_url_is_bounded(url: str) -> None:
    assert len(shown_url(url)) <= 200
