"""YAML that people write: read strictly, so that a slip is refused where a lenient reader would guess.

Words are read as YAML 1.2 reads them: `on`, `yes`, `12:30` and dates are text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from adsmu.errors import BadInput


def read_yaml(path: str | Path) -> Any:
    """Reads one YAML document of mappings, lists, text, numbers and truth values.

    Args:
        path: The file.

    Raises:
        BadInput: It is missing, no YAML, or holds aliases, repeated keys or keys that are no text; the row is
            named.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Strict)  # noqa: S506 - a SafeLoader
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=path) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise BadInput(
            f"not taken as YAML: {error.problem}", file=path, row=mark.line + 1 if mark else None
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(f"not YAML: {' '.join(str(error).split())}", file=path) from error


class _Strict(yaml.SafeLoader):
    """YAML with the scalars of version 1.2's core schema, without aliases and repeated keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None, None, "aliases are not taken", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} must be text: quote it", key_node.start_mark
                )
            if key in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Strict.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _whole(loader: Any, node: Any) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: Any, node: Any) -> float:
    return float(loader.construct_scalar(node))


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    return dict(loader.construct_mapping(node))


_Strict.add_constructor("tag:yaml.org,2002:int", _whole)
_Strict.add_constructor("tag:yaml.org,2002:float", _float)
_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)
