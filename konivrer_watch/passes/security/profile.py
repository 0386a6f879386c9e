"""What is configured for the security pass, as data, without importing bandit.

Sources: bandit 1.9 ``cli/main.py`` for what ``--ini`` and ``-c`` set, ``core/manager.py`` for which files
count. The files read are those of the root, as ``bandit -r .`` run there would be given them.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache

import msgspec

from konivrer_watch.core.model import Pass
from konivrer_watch.passes.security.configuration import read_ini, read_table, read_yaml, strings

CONFIG_NAMES = (".bandit", "bandit.yaml", "bandit.yml", "pyproject.toml")
DEFAULT_INCLUDE = ("*.py", "*.pyw")
DEFAULT_EXCLUDE = (".svn", "CVS", ".bzr", ".hg", ".git", "__pycache__", ".tox", ".eggs", "*.egg")

PLUGIN_GROUP = b"[bandit."

_NOT_IN_VERDICTS = frozenset({"exclude_dirs", "include", "log_format", "plugin_name_pattern"})
_UNANSWERABLE = ("baseline", "level", "confidence")


class SecurityProfile(msgspec.Struct, frozen=True):
    """The effective configuration of the security pass. Crosses process boundaries by msgpack.

    ``config`` is what ``bandit -c`` would be given: our pack's YAML where ``own``, else JSON, ``None``
    where there is none. ``tests``, ``skips``, ``legacy_profile`` and ``ignore_nosec`` are those of the
    ini file. ``include`` and ``exclude`` say which files count and change no verdict.
    """

    own: bool
    config: bytes | None = None
    tests: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    legacy_profile: str | None = None
    ignore_nosec: bool = False
    include: tuple[str, ...] = DEFAULT_INCLUDE
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything here that can change the verdict on a file that counts."""
        verdict = msgspec.structs.replace(self, include=(), exclude=())
        return hashlib.sha256(msgspec.msgpack.encode((Pass.SECURITY, verdict))).digest()

    def counts(self, path: bytes) -> bool:
        """Whether ``bandit -r .`` would look at this path: a match of ``include`` and none of ``exclude``.

        As there, an exclude counts as a pattern over the whole of ``./path`` and as a part of it.
        """
        name = "./" + path.decode("utf-8", "surrogateescape")
        if not _any_of(self.include)(name) or _any_of(self.exclude)(name):
            return False
        return not any([glob in name for glob in self.exclude])


@lru_cache(maxsize=64)
def _any_of(globs: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    """Return what ``fnmatchcase`` with each of the patterns in turn would say, in one match."""
    return re.compile("|".join([translate(glob) for glob in globs]) or r"(?!)").match


def usual_folder(path: str) -> bool:
    """Of the paths bandit excludes by default, whether this one is a folder in most roots: ``.git``."""
    return path == ".git"


def also_reads(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Names of further files that ``load_profile`` needs among its files: ``configfile`` of ``.bandit``.

    Relative to the root, as written; the caller decides whether it may be read. ``ValueError`` as there.
    """
    if ".bandit" not in files:
        return ()
    named = read_ini(".bandit", files[".bandit"]).get("configfile")
    return (named,) if named else ()


def load_profile(
    files: Mapping[str, bytes], pack: bytes, is_folder: Callable[[str], bool] = usual_folder
) -> SecurityProfile:
    """Return the configuration that the root's files give, or ours (``pack``) where they give none.

    ``.bandit`` is read as ``--ini`` beside one ``-c`` file: the one its ``configfile`` names, else
    ``bandit.yaml``, else ``bandit.yml``, else ``[tool.bandit]``. ``is_folder`` answers for paths relative
    to the root: bandit turns an excluded path that is a folder into ``path/*``, which matches nothing in
    ``./path``. So ``.github/x.py`` counts where ``.git`` is a folder, and does not where it is not.

    Where ``-c`` data names no ``include``, ``.pyw`` counts too, which bandit alone forgets.
    Raises ``ValueError`` naming file and reason for whatever bandit would refuse or could not run with.
    """
    ini = read_ini(".bandit", files[".bandit"]) if ".bandit" in files else {}
    for key in _UNANSWERABLE:
        if ini.get(key):
            raise ValueError(f".bandit: {key} is not supported here; remove it")
    name, config = _command_line_config(files, ini.get("configfile"))
    if ".bandit" not in files and config is None:
        return SecurityProfile(own=True, config=pack, exclude=_given(DEFAULT_EXCLUDE, is_folder))
    tests, skips = _split(ini.get("tests")), _split(ini.get("skips"))
    legacy = ini.get("profile") or None
    settings = config or {}
    if legacy is None:
        both = {*strings(name, settings, "tests"), *tests} & {*strings(name, settings, "skips"), *skips}
        if both:
            raise ValueError(f"{name}: {', '.join(sorted(both))} both in tests and in skips")
    relevant = {key: value for key, value in settings.items() if key not in _NOT_IN_VERDICTS}
    return SecurityProfile(
        own=False,
        config=None if config is None else msgspec.json.encode(relevant, order="deterministic"),
        tests=tuple(sorted(tests)),
        skips=tuple(sorted(skips)),
        legacy_profile=legacy,
        ignore_nosec=bool(ini.get("ignore-nosec")),
        include=strings(name, settings, "include") or DEFAULT_INCLUDE,
        exclude=strings(name, settings, "exclude_dirs")
        + _given(_split(ini.get("exclude")) or DEFAULT_EXCLUDE, is_folder),
    )


def _command_line_config(
    files: Mapping[str, bytes], named: str | None
) -> tuple[str, dict[str, object] | None]:
    if named:
        if named not in files:
            raise ValueError(f".bandit: configfile {named} cannot be read")
        if named.endswith(".toml"):
            return named, read_table(named, files[named]) or {}
        return named, read_yaml(named, files[named])
    for name in ("bandit.yaml", "bandit.yml"):
        if name in files:
            return name, read_yaml(name, files[name])
    if "pyproject.toml" in files:
        return "pyproject.toml", read_table("pyproject.toml", files["pyproject.toml"])
    return ".bandit", None


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(value.split(",")) if value else ()


def _given(paths: tuple[str, ...], is_folder: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(path.removesuffix("/") + "/*" if is_folder(path) else path for path in paths)


def engine_fingerprint(distributions: Sequence[tuple[str, bytes]]) -> bytes:
    """SHA-256 over the installed distributions (name with version, entry points) that hold ``PLUGIN_GROUP``.

    bandit is one of them: its own plugins come by entry points like any other's. Source: stevedore's namespaces in
    bandit 1.9 ``core/extension_loader.py``, ``bandit.plugins`` and ``bandit.blacklists``.
    """
    return hashlib.sha256(msgspec.msgpack.encode(distributions)).digest()
