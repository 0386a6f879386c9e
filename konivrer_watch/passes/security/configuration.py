"""bandit's configuration files read as plain data, with every fault named by its file.

The parsers are imported where they are used: a repository without such a file must not pay for them.
"""

from collections.abc import Mapping

from konivrer_watch.core.toml import parse_toml

_MOST_VALUES = 100_000
_DEEPEST = 100


def read_yaml(name: str, data: bytes) -> dict[str, object]:
    """Read a ``bandit -c`` file. ``ValueError`` names the file and what bandit would refuse."""
    import yaml

    try:
        value = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not valid YAML: {_one_line(error)}") from error
    return _mapping(name, value)


def read_table(name: str, data: bytes) -> dict[str, object] | None:
    """Read ``[tool.bandit]``, or ``None`` where the file has none. ``ValueError`` as for YAML."""
    if b"bandit" not in data:
        return None

    try:
        document = parse_toml(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not valid TOML: {_one_line(error)}") from error
    tool = document.get("tool", {})
    if not isinstance(tool, dict):
        raise ValueError(f"{name}: tool must be a table")
    if "bandit" not in tool:
        return None
    return _mapping(f"{name}: [tool.bandit]", tool["bandit"])


def read_ini(name: str, data: bytes) -> dict[str, str]:
    """Read the ``[bandit]`` section of a ``bandit --ini`` file.

    bandit itself warns of a file it cannot read and goes on without it; that loses every exclude and
    skip in silence, so here it is a ``ValueError``.
    """
    import configparser

    parser = configparser.ConfigParser()
    try:
        parser.read_string(data.decode("utf-8"), name)
        return dict(parser.items("bandit"))
    except (configparser.Error, ValueError) as error:
        reason = _one_line(error)
        raise ValueError(f"{name}: not an ini file with a [bandit] section: {reason}") from error


def strings(name: str, config: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Return a list of text, empty where it is not set. ``ValueError`` where it is another thing."""
    value = config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name}: {key} must be a list of text")
    return tuple(value)


def _mapping(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be a mapping of options, and is {type(value).__name__}")
    return _Plain(name).mapping(value, 0)


class _Plain:
    """Copies parsed data into values that cross a process boundary.

    Bounded, because a few lines of YAML aliases can stand for any number of values.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = _MOST_VALUES

    def mapping(self, value: dict[object, object], depth: int) -> dict[str, object]:
        return {self._text(key): self._value(item, depth + 1) for key, item in value.items()}

    def _value(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise ValueError(f"{self._name}: holds too many values or nests too deeply")
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, list | tuple | set):
            return [self._value(item, depth + 1) for item in value]
        if isinstance(value, int) and value.bit_length() > 63:
            raise ValueError(
                f"{self._name}: holds a number of {value.bit_length()} bits, which no option takes"
            )
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._text(value)

    def _text(self, value: object) -> str:
        text = str(value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"{self._name}: holds text that is not Unicode")
        return text


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
