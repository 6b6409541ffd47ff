"""`python -m tests.simulation`: see README.md."""

import sys

from tests.simulation import clock

if __name__ == "__main__":
    clock.install()  # before anything of the gateway is imported
    from tests.simulation.command import main

    sys.exit(main())
