"""``python -I -m konivrer_watch.cli``: the command, without the current folder on the import path."""

from konivrer_watch.cli.main import run

if __name__ == "__main__":
    run()
