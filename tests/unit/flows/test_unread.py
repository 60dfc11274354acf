# SPDX-License-Identifier: Apache-2.0
"""Whatever kept us from looking into a part has a sentence for it; one without would put the mail off for ever."""

import ast
from pathlib import Path

import gateway.imip
from gateway.flows.unread import WHY


def test_every_note_has_a_sentence() -> None:
    readers = (Path(gateway.imip.__file__).parent / name for name in ("leaves.py", "parse.py"))
    calls = (node for reader in readers for node in ast.walk(ast.parse(reader.read_text())) if _is_note(node))
    codes = {code.value for call in calls for code in ast.walk(call.args[0]) if isinstance(code, ast.Constant)}
    assert codes == set(WHY)


def _is_note(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Note"
