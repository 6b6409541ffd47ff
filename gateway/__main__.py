"""`python -m gateway` is `tse-gateway`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
