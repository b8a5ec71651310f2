"""The contract that a window's rows must keep: declared in the strategy, or read off a reference profile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.monitor.conditions import Condition, select
from adsmu.monitor.figures import Figure, figure
from adsmu.profile.columns import Categorical, Column, Embedding, Numeric
from adsmu.profile.observations import is_embedding, is_numeric, is_text
from adsmu.profile.profiles import Profile
from adsmu.strategy import Contract, Signal
from adsmu.stratified_evaluate.intervals import clopper_pearson

ROOM = 0.5
"""How far a range reaches beyond the lowest and highest value of the reference, in parts of their distance:
what no reference has seen yet, such as the next season, breaks no rule for that."""

KINDS = {"numbers": is_numeric, "text": is_text, "vectors": is_embedding}


@dataclass(frozen=True)
class Rule:
    """What a column must be.

    Attributes:
        column: The column.
        measure: Which measure of quality it belongs to: schema, missing, out_of_range or new_category.
        text: The rule in words.
        kind: Of schema: a key of `KINDS`.
        condition: Of the others: which rows break it.
        usual: The share of rows that may break it, before the signal's threshold.
        declared: Whether the strategy says it; a rule read off a reference allows for chance.
    """

    column: str
    measure: str
    text: str
    kind: str = ""
    condition: Condition | None = None
    usual: float = 0.0
    declared: bool = False


def rules(reference: Profile | None, declared: Mapping[str, Contract], watched: list[str]) -> list[Rule]:
    """The rules for the watched columns: what the strategy declares, and for the rest what a reference shows.

    Args:
        reference: The reference's profile; None: only what is declared.
        declared: Contracts by column.
        watched: The columns that are looked at.
    """
    found: list[Rule] = []
    for name in dict.fromkeys([*watched, *declared]):
        column = reference.columns.get(name) if reference else None
        contract = declared.get(name, Contract())
        if column is not None and column.weight:
            found += _inferred(name, column, contract)
        found += _declared(name, contract)
        if contract.missing is None and reference and column is not None:
            share = reference.missing_share(name)
            text = f"no more missing values than the reference has ({100 * share:.1f} %)"
            found.append(
                Rule(name, "missing", text, condition={"column": name, "is": "missing"}, usual=share)
            )
    return found


def _declared(name: str, contract: Contract) -> list[Rule]:
    found = []
    if contract.missing is not None:
        text = f"at most {100 * contract.missing:.1f} % missing values"
        condition: Condition = {"column": name, "is": "missing"}
        found.append(Rule(name, "missing", text, "", condition, contract.missing, declared=True))
    if contract.values:
        condition = {"column": name, "is": "not_in", "values": list(contract.values)}
        text = f"only {', '.join(str(each) for each in contract.values)}"
        found.append(Rule(name, "new_category", text, condition=condition, declared=True))
    if contract.low is not None or contract.high is not None:
        condition = {"column": name, "is": "outside", "low": contract.low, "high": contract.high}
        found.append(
            Rule(name, "out_of_range", _range(contract.low, contract.high), "", condition, 0.0, True)
        )
    return found


def _inferred(name: str, column: Column, contract: Contract) -> list[Rule]:
    kind = {Numeric: "numbers", Categorical: "text", Embedding: "vectors"}.get(type(column))
    found = [Rule(name, "schema", f"a column of {kind}", kind)] if kind else []
    bounded = contract.low is not None or contract.high is not None
    if isinstance(column, Numeric) and not bounded and not contract.values:
        low, high = column.distribution.values[[0, -1]].tolist()
        room = ROOM * (high - low)
        condition: Condition = {"column": name, "is": "outside", "low": low - room, "high": high + room}
        found.append(Rule(name, "out_of_range", _range(low - room, high + room), condition=condition))
    if isinstance(column, Categorical) and not contract.values and not column.categories.other:
        names = list(column.categories.names)
        condition = {"column": name, "is": "not_in", "values": names}
        text = f"only the {len(names)} categories of the reference"
        found.append(Rule(name, "new_category", text, condition=condition))
    return found


def _range(low: float | None, high: float | None) -> str:
    bounds = [f"at least {low:.6g}"] if low is not None else []
    return " and ".join([*bounds, *([f"at most {high:.6g}"] if high is not None else [])])


def contract_schema(
    kept: Sequence[Rule], signals: Mapping[str, Signal], confidence: float
) -> pandera.DataFrameSchema:
    """The rules as a pandera schema: a check's name is the measure it belongs to, its error is the rule.

    Args:
        kept: The rules.
        signals: Signals of quality by name; rules that belong to none are left out.
        confidence: Two-sided, of all rules read off a reference together (Bonferroni).
    """
    columns: dict[str, list[pandera.Check]] = {}
    level = 1 - (1 - confidence) / max(1, sum(not rule.declared for rule in kept))
    for rule, _, signal in _judged(kept, signals):
        holds = partial(_holds, rule=rule, signal=signal, confidence=level)
        check = pandera.Check(holds, name=rule.measure, error=rule.text, ignore_na=False)
        columns.setdefault(rule.column, []).append(check)
    return pandera.DataFrameSchema(
        {name: pandera.Column(checks=checks, nullable=True) for name, checks in columns.items()}
    )


def check_contract(
    rows: pa.Table, kept: Sequence[Rule], signals: Mapping[str, Signal], confidence: float
) -> list[Figure]:
    """Checks a window against a contract.

    Args:
        rows: The window's rows.
        kept: The rules.
        signals: Signals of quality by name.
        confidence: As for `contract_schema`.

    Returns:
        A figure for each broken rule: its value is the share of rows that break it.
    """
    schema = contract_schema(kept, signals, confidence)
    looked_at = rows.select([name for name in schema.columns if name in rows.column_names])
    try:
        schema.validate(looked_at.to_pandas(types_mapper=pd.ArrowDtype), lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return []
    absent = set(cases.loc[cases["check"] == "column_in_dataframe", "failure_case"])
    broken = set(zip(cases["column"], cases["check"], strict=True))
    found = []
    for rule, name, signal in _judged(kept, signals):
        if rule.column in absent:
            if rule.measure == "schema" or rule.declared:
                found.append(_broken(name, signal, rule, rows, "the column is missing"))
        elif (rule.column, rule.text) in broken:
            found.append(_broken(name, signal, rule, rows, ""))
    return found


def _judged(kept: Sequence[Rule], signals: Mapping[str, Signal]) -> Iterator[tuple[Rule, str, Signal]]:
    """Each rule with the signal it belongs to: one that names the column before one of all columns."""
    order = sorted(signals.items(), key=lambda item: (not item[1].columns, item[0]))
    for rule in kept:
        for name, signal in order:
            if signal.measure == rule.measure and (not signal.columns or rule.column in signal.columns):
                yield rule, name, signal
                break


def _holds(values: pd.Series, *, rule: Rule, signal: Signal, confidence: float) -> bool:
    column = pa.chunked_array(pa.array(values))
    of_kind = not rule.kind or KINDS[rule.kind](column.type) or pa.types.is_null(column.type)
    if rule.measure == "schema":
        return of_kind
    if not _comparable(column, rule):
        return (
            not rule.declared
        )  # the rule of the reference's kind tells it; a declared one has none beside it
    count = int(select(pa.table({rule.column: column}), [rule.condition or {}]).sum())
    rows = len(column)
    if rule.measure != "missing":
        rows -= column.null_count
    if rule.declared:
        return count <= rule.usual * rows if rule.measure == "missing" else count <= signal.threshold * rows
    return float(clopper_pearson(count, rows, confidence)[0]) <= rule.usual + signal.threshold


def _comparable(column: pa.ChunkedArray, rule: Rule) -> bool:
    """Whether a rule of values can be asked of a column of this type; the rule of its kind tells if not."""
    if rule.measure == "out_of_range":
        return is_numeric(column.type) and not pa.types.is_boolean(column.type)
    if rule.measure == "new_category":
        of_text = all(isinstance(each, str) for each in (rule.condition or {})["values"])
        return is_text(column.type) == of_text
    return True


def _broken(name: str, signal: Signal, rule: Rule, rows: pa.Table, said: str) -> Figure:
    share, count = 1.0, len(rows)
    conditions: tuple[Condition, ...] = ()
    if rule.condition is not None and not said and _comparable(rows[rule.column], rule):
        conditions = (rule.condition,)
        chosen = select(rows, conditions)
        count = int(chosen.sum())
        share = count / len(rows)
        said = f"{count:,} of {len(rows):,} rows break the rule"
        if rule.measure == "new_category":
            said += f" ({_commonest(rows[rule.column].filter(pa.array(chosen)))})"
    elif not said:
        said = f"it holds {rows[rule.column].type}"
    return figure(
        name,
        signal,
        column=rule.column,
        value=share,
        threshold=rule.usual
        if rule.declared and rule.measure == "missing"
        else rule.usual + signal.threshold,
        rows=len(rows),
        beyond=True,
        text=f"{rule.column}: {said}: {rule.text}",
        blocks=True,
        conditions=conditions,
    )


def _commonest(values: pa.ChunkedArray, most: int = 3) -> str:
    """The values that occur most, in words."""
    counts = sorted(
        pc.value_counts(values).to_pylist(), key=lambda each: (-each["counts"], str(each["values"]))
    )
    named = ", ".join(repr(each["values"]) for each in counts[:most])
    return named + (f" and {len(counts) - most} more" if len(counts) > most else "")
