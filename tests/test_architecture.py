"""What the source keeps: no circles, files and functions of a readable length, types."""

import ast
from pathlib import Path

import grimp
import pytest

PACKAGE = "stable_baselines_tf2"
ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 700, 60  # lines
MOST_UNTYPED = 0.03  # of all parameters
FACES = ("common.base_class", "common.save_util", "common.window")  # legacy import paths of what is elsewhere


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(PACKAGE, cache_dir=None)


def functions():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def test_no_file_imports_itself_in_a_circle(graph):
    """Lazy imports and imports for type checking count."""
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            chain = graph.find_shortest_chain(importer=imported, imported=module)
            assert chain is None or imported == module, f"{module} -> {' -> '.join(chain)}"


def test_nothing_imports_the_faces(graph):
    for face in FACES:
        assert graph.find_modules_that_directly_import(f"{PACKAGE}.{face}") == set(), face


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_functions_are_short():
    def body_length(node):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        return body[-1].end_lineno - body[0].lineno + 1 if body else 0

    assert {name: body_length(node) for name, node in functions() if body_length(node) > LONGEST_FUNCTION} == {}


def test_parameters_have_types():
    n_parameters, untyped = 0, []
    for name, node in functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        for argument in (argument for argument in arguments if argument is not None):
            if argument.arg in ("self", "cls", "_"):
                continue
            n_parameters += 1
            if argument.annotation is None or ast.unparse(argument.annotation) == "Any":
                untyped.append(f"{name}({argument.arg})")
    assert len(untyped) / n_parameters <= MOST_UNTYPED, untyped
