"""Run the command line as ``python -m gridmap``."""

from gridmap.cli import main

if __name__ == "__main__":
    main()
