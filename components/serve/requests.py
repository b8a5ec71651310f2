"""What callers may send: utterances to predict, labels that come late. All of it is hostile until checked."""

import json
import re
import uuid
from typing import Any

from adsmu.errors import BadInput

MOST_BODY = 256 * 1024
MOST_INSTANCES = 256
MOST_TOKENS = 256
MOST_LETTERS = 1_000
"""Of a token, of a name."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_EVENT_ID = re.compile(rf"{_REQUEST_ID.pattern}(/[0-9]{{1,6}})?")
_LABEL_KEYS = {"domain", "intent", "tags"}


def request_id(given: str | None) -> str:
    """The caller's id of a request where it is one that can stand in a header and a log, else a new one.

    Args:
        given: Letters, digits and `._:-`, at most 128; the slash is taken by the instances of a request.

    Returns:
        The id.

    >>> request_id("a-1"), request_id("a/1") == "a/1", len(request_id(None))
    ('a-1', False, 32)
    """
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def parsed(body: bytes, what: str) -> Any:
    """Parses a body.

    Args:
        body: JSON.
        what: For the error.

    Raises:
        BadInput: It is not JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("not JSON", file=what) from error


def instances(body: Any) -> list[list[str]]:
    """The utterances of a V1 request.

    Args:
        body: `{"instances": [...]}`, each `{"tokens": [...]}`, `{"text": "..."}` or a text.

    Returns:
        The tokens of each; a text is parted at blanks.

    Raises:
        BadInput: The body is of another form, or beyond a limit.

    >>> instances({"instances": ["play moana", {"text": "stop"}, {"tokens": ["stop"]}]})
    [['play', 'moana'], ['stop'], ['stop']]
    """
    if not isinstance(body, dict) or not isinstance(body.get("instances"), list):
        raise BadInput('an object {"instances": [...]} is needed', file="request")
    given = body["instances"]
    if not 0 < len(given) <= MOST_INSTANCES:
        raise BadInput(f"1 to {MOST_INSTANCES} instances are needed, not {len(given)}", file="request")
    return [_tokens(instance, row) for row, instance in enumerate(given, 1)]


def _tokens(instance: Any, row: int) -> list[str]:
    if isinstance(instance, dict) and len(instance) == 1:
        instance = instance.get("tokens", instance.get("text"))
    if isinstance(instance, str):
        instance = instance.split()
    if not isinstance(instance, list):
        raise BadInput('a text, {"text": "..."} or {"tokens": [...]} is needed', file="request", row=row)
    if not 0 < len(instance) <= MOST_TOKENS:
        raise BadInput(f"1 to {MOST_TOKENS} tokens are needed, not {len(instance)}", file="request", row=row)
    for token in instance:
        if not isinstance(token, str) or not 0 < len(token) <= MOST_LETTERS or token.split() != [token]:
            raise BadInput(
                f"a token is one word without blanks, of at most {MOST_LETTERS} letters",
                file="request",
                row=row,
            )
    try:
        "".join(instance).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can spell
        raise BadInput("no text that UTF-8 could hold", file="request", row=row) from error
    return instance


def tensors(inputs: dict[str, list[Any]]) -> list[list[str]]:
    """The utterances of a V2 request.

    Args:
        inputs: The flat data of each input tensor, by name: `text`, one utterance an element, or `tokens`,
            one token of a single utterance an element. Elements are text or UTF-8 bytes.

    Returns:
        The tokens of each utterance.

    Raises:
        BadInput: The inputs are others, or beyond a limit.

    >>> tensors({"text": [b"play moana", "stop"]}), tensors({"tokens": ["play", "moana"]})
    ([['play', 'moana'], ['stop']], [['play', 'moana']])
    """
    if set(inputs) not in ({"text"}, {"tokens"}):
        raise BadInput("one input is needed, named text or tokens", file="request", column="inputs")
    name, data = next(iter(inputs.items()))
    try:
        texts = [each.decode() if isinstance(each, bytes) else each for each in data]
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file="request", column=name) from error
    if not all(isinstance(each, str) for each in texts):
        raise BadInput("a flat list of texts is needed", file="request", column=name)
    return instances({"instances": texts if name == "text" else [texts]})


def labels(body: bytes) -> list[dict[str, Any]]:
    """The labels of a feedback request.

    Args:
        body: JSON, one `{"request_id": ..., "label": {"intent": ..., "tags": [...]}}` or a list of such; a
            label may hold a domain too.

    Returns:
        The list.

    Raises:
        BadInput: It is of another form.
    """
    given = parsed(body, "feedback")
    given = given if isinstance(given, list) else [given]
    if not 0 < len(given) <= MOST_INSTANCES:
        raise BadInput(f"1 to {MOST_INSTANCES} labels are needed, not {len(given)}", file="feedback")
    for row, each in enumerate(given, 1):
        _check_label(each, row)
    return given


def _check_label(given: Any, row: int) -> None:
    if not isinstance(given, dict) or set(given) != {"request_id", "label"}:
        raise BadInput("an object with request_id and label is needed", file="feedback", row=row)
    if not isinstance(given["request_id"], str) or not _EVENT_ID.fullmatch(given["request_id"]):
        raise BadInput("no id of a request", file="feedback", row=row, column="request_id")
    label = given["label"]
    if not isinstance(label, dict) or not {"intent", "tags"} <= set(label) <= _LABEL_KEYS:
        raise BadInput(
            "an object with intent, tags and perhaps domain is needed",
            file="feedback",
            row=row,
            column="label",
        )
    for name in _LABEL_KEYS - {"tags"}:
        if name in label and not _is_name(label[name]):
            raise BadInput(
                f"a name of 1 to {MOST_LETTERS} letters is needed", file="feedback", row=row, column=name
            )
    tags = label["tags"]
    if not isinstance(tags, list) or not 0 < len(tags) <= MOST_TOKENS or not all(map(_is_tag, tags)):
        raise BadInput(
            "a list of tags O, B-slot or I-slot is needed", file="feedback", row=row, column="tags"
        )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_LETTERS and value.isprintable()


def _is_tag(value: Any) -> bool:
    return _is_name(value) and (value == "O" or (value[:2] in ("B-", "I-") and len(value) > 2))
