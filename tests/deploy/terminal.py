"""A shell on a terminal of its own, typed into as a person would."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

_PATIENCE = 600.0
_ENDED = re.compile(r"tse-guide (\d+) done\r?\n")


class Terminal:
    """`with Terminal(command) as shell:` starts it; what it says is shown here as well."""

    def __init__(self, command: list[str], *, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = dict(environment)

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            self._command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=self._environment
        )
        os.close(theirs)
        self._said = ""
        self._type("stty -echo cols 100; PS1=; unset PROMPT_COMMAND; bind 'set enable-bracketed-paste off' 2>/dev/null")
        self.run("true")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def run(self, command: str, status: int | None = 0) -> str:
        """What it says.

        Raises:
            AssertionError: its exit status is another one.
        """
        return self.converse(command, {}, status=status)

    def converse(
        self,
        command: str,
        answers: Mapping[str, str],
        *,
        serial: re.Pattern[str] | None = None,
        status: int | None = 0,
    ) -> str:
        """The same for a command that asks: questions that are known are answered, and that for the end of a serial."""
        print(f"$ {command}", flush=True)
        self._said = ""
        self._type(f"{command}; printf 'tse-guide %s done\\n' $?")
        answered, typed = 0, None
        while not (ended := _ENDED.search(self._said)):
            self._listen()
            asked = self._said[answered:]
            known = next((text for question, text in answers.items() if re.search(question, asked)), None)
            if re.search(r"(once more|noch einmal)[^:]*: $", asked):
                known = typed
            if serial is not None and re.search(r"(last four digits|letzten\s+vier\s+Stellen)[^:]*: $", asked):
                known = serial.findall(self._said)[-1][-4:]
            if known is not None:
                answered, typed = len(self._said), known
                self._type(known)
        said = self._said[: ended.start()]
        assert status is None or int(ended[1]) == status, f"{command}\nended with status {ended[1]}:\n{said}"
        return said

    def _type(self, text: str) -> None:
        os.write(self._ours, text.encode() + b"\n")

    def _listen(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        if not select.select([self._ours], [], [], deadline - time.monotonic())[0]:
            raise TimeoutError(f"silent for {_PATIENCE:g} s after:\n{self._said[-2000:]}")
        try:
            text = os.read(self._ours, 65536).decode(errors="replace")
        except OSError as error:
            raise EOFError(f"the shell ended after:\n{self._said[-2000:]}") from error
        self._said += text
        sys.stdout.write(text)
        sys.stdout.flush()
