"""Stand-ins for ``systemctl`` and ``loginctl``: they note each call and remember what is on."""

import os
from pathlib import Path

_SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$FAKE/calls"
while :; do case "$1" in --property|--quiet|-*) shift ;; *) break ;; esac; done
case "$1 $3" in
  "show "*) [ -e "$FAKE/unreachable" ] && { echo "Failed to connect to bus: No medium found" >&2; exit 1; } ;;
esac
case "$*" in
  show*Version*) echo Version=252 ;;
  show*) cat "$FAKE/state" 2>/dev/null || echo ActiveState=inactive ;;
  restart*)
    # Where users have no namespaces, a unit that needs them fails at its start.
    if [ -e "$FAKE/no-namespaces" ] && grep -qs PrivateUsers=yes "$FAKE"/units/konivrer-watch-*.service; then
      printf 'ActiveState=activating\\nResult=exit-code\\nExecMainStatus=226\\n' >"$FAKE/state"
    elif [ -e "$FAKE/broken" ]; then cat "$FAKE/broken" >"$FAKE/state"
    else printf 'ActiveState=active\\nResult=success\\nExecMainStatus=0\\n' >"$FAKE/state"
    fi ;;
  *disable*) rm -f "$FAKE/state" ;;
esac
"""
_LOGINCTL = """#!/bin/sh
echo "loginctl $*" >>"$FAKE/calls"
case "$*" in
  *show-user*) if [ -e "$FAKE/linger" ]; then echo yes; else echo no; fi ;;
  *enable-linger*)
    [ -e "$FAKE/no-linger" ] && { echo "Could not enable linger: Access denied" >&2; exit 1; }
    : >"$FAKE/linger" ;;
  *disable-linger*) rm "$FAKE/linger" ;;
esac
"""


class FakeSystemd:
    """A folder with both programs (``path`` is for PATH), the units, and files that say what goes wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.units = folder / "config" / "systemd" / "user"
        self.units.mkdir(parents=True)
        (folder / "units").symlink_to(self.units)
        for name, text in (("systemctl", _SYSTEMCTL), ("loginctl", _LOGINCTL)):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)

    @property
    def path(self) -> str:
        """What PATH has to be."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.defpath}"

    def set(self, name: str, text: str = "") -> None:
        """Make something go wrong, or be so already."""
        (self.folder / name).write_text(text)

    def has(self, name: str) -> bool:
        """Whether something is so."""
        return (self.folder / name).exists()

    def calls(self, word: str) -> list[str]:
        """The calls with this word, since the last look."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if f" {word}" in line]

    def unit(self) -> str:
        """The text of the one unit there is."""
        (file,) = self.units.glob("*")
        return file.read_text()
