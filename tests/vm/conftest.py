"""The virtual machine needs QEMU, a kernel, root for its first start, and minutes: only when asked for."""

import os

import pytest

ASKED = os.environ.get("GATEWAY_VM_TESTS") == "1"
collect_ignore = [] if ASKED else ["test_vm.py", "test_vendor_library.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall take the silence for a proof."""
    if not ASKED:
        terminalreporter.write_line("tests/vm was not run: GATEWAY_VM_TESTS=1 pytest tests/vm, or python -m tests.vm")
