"""`python -m gcbulk`."""

from gcbulk.cli import main

main()
