# SPDX-License-Identifier: Apache-2.0
"""The house rules as a test: layers, no cycles, purity, size caps (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Lowest first. A module may import from its own package and from any layer below; `None` = the leaves at the
#: bottom that everyone may use. Packages that share a number do not know each other.
LAYERS: dict[str, int] = {
    "gateway": 0,
    "gateway.errors": 0,
    "gateway.replies": 0,
    "gateway.bounded": 0,
    "gateway.clock": 0,
    "gateway.ids": 0,
    "gateway.log": 0,
    "gateway.maillog": 0,
    "gateway.metrics": 0,
    "gateway.sockets": 0,
    "gateway.trace": 0,
    "policies": 0,
    "gateway.config": 1,
    "gateway.itip": 1,
    "gateway.imip": 2,
    "gateway.jscalendar": 2,
    "gateway.authn": 3,
    "gateway.relay": 3,
    "gateway.store": 3,
    "gateway.flows": 4,
    "gateway.smtp": 5,
    "gateway.milter": 5,
    "gateway.http": 5,
    "gateway.workers": 5,
    "gateway.doors": 6,
    "gateway.app": 7,
    "gateway.cli": 8,
    "gateway.__main__": 9,
}

PURE = ("gateway.itip", "gateway.imip", "gateway.jscalendar", "policies")
IMPURE_MODULES = {
    "asyncio", "socket", "random", "secrets", "logging", "time", "os", "subprocess", "threading",
    "sqlalchemy", "aiosqlite", "asyncpg", "aiosmtpd", "starlette", "uvicorn", "uvloop", "dns", "dkim",
}  # fmt: skip

MAX_MODULE, MAX_FUNCTION, MAX_TEST_MODULE = 500, 60, 700
#: path (or path::function) -> why it may be larger. Empty is the aim.
EXCEPTIONS: dict[str, str] = {}
#: Written once by a tool and never edited: records, not code to read.
FROZEN = "gateway.store.migrations.versions"


def modules() -> list[tuple[str, Path]]:
    found = []
    for top in ("gateway", "policies"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports(name: str, path: Path) -> Iterator[str]:
    """Every module that this one imports, type-checking imports included."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                stem = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*stem, base] if base else stem)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer_key(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] == "policies":
        return "policies"
    if parts[0] != "gateway":
        return None
    return ".".join(parts[:2])


ALL = modules()
NAMES = {name for name, _ in ALL}


@pytest.mark.parametrize(("name", "path"), ALL, ids=[name for name, _ in ALL])
def test_imports_go_down(name: str, path: Path) -> None:
    own = layer_key(name)
    assert own in LAYERS, f"{name} lies in no layer"
    for target in imports(name, path):
        key = layer_key(target)
        if key is None or key == own or key == "gateway" or target not in NAMES:
            continue
        assert key in LAYERS, f"{name} imports {target}, which lies in no layer"
        assert LAYERS[key] < LAYERS[own] or LAYERS[key] == LAYERS[own] == 0, f"{name} imports {target}: wrong way"
        assert own != "policies", f"{name} imports {target}: policies know nothing of gateway"


def test_no_import_cycles() -> None:
    graph = {name: {t for t in imports(name, path) if t in NAMES and t != name} for name, path in ALL}
    for name, path in ALL:
        if path.name == "__init__.py":
            graph[name] = {t for t in graph[name] if not t.startswith(name + ".")} if not graph[name] else graph[name]
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "import cycle: " + " -> ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for target in graph[name]:
            if not name.startswith(target + "."):  # a package and its own module
                visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(("name", "path"), [m for m in ALL if m[0].startswith(PURE)], ids=lambda v: str(v)[-40:])
def test_the_core_is_pure(name: str, path: Path) -> None:
    for target in imports(name, path):
        top = target.partition(".")[0]
        assert top not in IMPURE_MODULES, f"{name} imports {target}"
    source = path.read_text()
    for call in ("datetime.now(", "datetime.utcnow(", "date.today(", "uuid4(", "environ"):
        assert call not in source, f"{name} uses {call}"


@pytest.mark.parametrize(("name", "path"), [m for m in ALL if m[0].startswith("policies")], ids=lambda v: str(v)[-40:])
def test_policies_use_the_standard_library_only(name: str, path: Path) -> None:
    import sys

    for target in imports(name, path):
        assert target.partition(".")[0] in {*sys.stdlib_module_names, "policies"}, f"{name} imports {target}"


def sized() -> list[tuple[Path, int]]:
    code = [(path, MAX_MODULE) for name, path in ALL if not name.startswith(FROZEN)]
    return code + [(path, MAX_TEST_MODULE) for path in sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize(("path", "cap"), sized(), ids=lambda v: str(v).removeprefix(str(ROOT)))
def test_sizes(path: Path, cap: int) -> None:
    relative = str(path.relative_to(ROOT))
    lines = path.read_text().splitlines()
    assert len(lines) <= cap or relative in EXCEPTIONS, f"{relative} has {len(lines)} lines, cap {cap}"
    if cap == MAX_TEST_MODULE:
        return
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            allowed = length <= MAX_FUNCTION or f"{relative}::{node.name}" in EXCEPTIONS
            assert allowed, f"{relative}::{node.name} has {length} lines, cap {MAX_FUNCTION}"


def test_every_module_says_what_it_is() -> None:
    for name, path in ALL:
        source = path.read_text()
        assert source.startswith("# SPDX-License-Identifier: Apache-2.0\n"), f"{name} has no licence line"
        assert ast.get_docstring(ast.parse(source)), f"{name} has no docstring"


def test_broad_excepts_only_at_the_edges() -> None:
    allowed = ("gateway.smtp", "gateway.milter", "gateway.http", "gateway.workers", "gateway.cli", "gateway.app")
    carried = "gateway.store.sqlite"  # the writer thread carries whatever a transaction raised to the caller's await
    for name, path in ALL:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in BROAD)
                assert not broad or name.startswith((*allowed, carried)), f"{name}:{node.lineno} catches everything"


BROAD = {"Exception", "BaseException"}
