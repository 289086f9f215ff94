"""The triggers, made from a policy: no step that is not legal, no birth that is none, no change after the end.

Only the trigger on steps looks anything up: one pair in a small table, when the status changes. What PostgreSQL's
refuse has the SQLSTATE of a broken CHECK (23514), the trigger's name being the constraint's; what SQLite's refuse is
an IntegrityError like any other. SQLite 3.40 wants a message to be a literal, so there it does not name the run.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from runengine.core import SHAPE, TERMINAL, Policy, Status
from runengine.core.shape import presence
from runengine.stores.columns import COLUMNS
from runengine.stores.schema.parts import Database, Statement, listed, literal
from runengine.stores.schema.tables import RUNS, TRANSITIONS

__all__ = [
    "BIRTH",
    "STEP",
    "TRIGGERS",
    "birth_statements",
    "drop_birth_statements",
    "drop_function_statements",
    "drop_trigger_statements",
    "function_statements",
    "trigger_statements",
]

STEP: Final = "runengine_step"
BIRTH: Final = "runengine_birth"
_ENDED: Final = "runengine_ended"
_IDENTITY: Final = "runengine_identity"
_COUNTERS: Final = "runengine_counters"

TRIGGERS: Final = (STEP, _ENDED, _IDENTITY, _COUNTERS, BIRTH)
"""Names of the triggers on the table of runs."""

_NEVER: Final = ("id", "thread_id", "created_at")
_RISING: Final = ("version", "fence", "last_us")
_STILL_MOVING: Final = ("version", "last_us", "waiting", "losses", "body")
_FROZEN: Final = tuple(c.name for c in COLUMNS if c.name not in (*_STILL_MOVING, *_NEVER))

_LOOKUP: Final = f"SELECT 1 FROM {TRANSITIONS} WHERE source = OLD.status AND target = NEW.status"  # noqa: S608

_FUNCTIONS: Final = {
    "runengine_refuse": """BEGIN
  RAISE EXCEPTION 'runengine: %: %', coalesce(OLD.id, NEW.id), TG_ARGV[0]
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END""",
    STEP: f"""BEGIN
  IF EXISTS ({_LOOKUP}) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'runengine: %: % -> % is not a legal step (policy %)', OLD.id, OLD.status, NEW.status, TG_ARGV[0]
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END""",
}

_BOUND: Final = f"""DO $runengine$
BEGIN
  EXECUTE format('ALTER FUNCTION %1$I.{STEP}() SET search_path = %1$I, pg_temp', current_schema());
END
$runengine$"""


@frozen(kw_only=True)
class _Rule:
    name: str
    on: str
    when: str
    message: str
    comment: str


def trigger_statements(database: Database, policy: Policy) -> tuple[Statement, ...]:
    """The statements that make the triggers; on PostgreSQL the functions must be there.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> print(trigger_statements("sqlite", PRACTICAL)[0].sql)
        CREATE TRIGGER runengine_step BEFORE UPDATE OF status ON runengine_runs
        WHEN OLD.status <> NEW.status AND NOT EXISTS (
          SELECT 1 FROM runengine_transitions WHERE source = OLD.status AND target = NEW.status)
        BEGIN
          SELECT RAISE(ABORT, 'runengine: no legal step between these statuses (policy practical)');
        END
    """
    rules = (_ended(), _identity(), _counters(), _birth(policy))
    return (_step(database, policy), *(_trigger(database, rule) for rule in rules))


def drop_trigger_statements(database: Database) -> tuple[Statement, ...]:
    """The statements that remove the triggers, where they are there.

    Example:
        >>> drop_trigger_statements("postgres")[0].sql
        'DROP TRIGGER IF EXISTS runengine_step ON runengine_runs'
    """
    return tuple(_drop(database, name) for name in TRIGGERS)


def birth_statements(database: Database, policy: Policy) -> tuple[Statement, ...]:
    """The statements that make the trigger on births again, after a restore.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> birth_statements("postgres", PRACTICAL)[0].sql
        'ALTER TABLE runengine_runs ENABLE TRIGGER runengine_birth'
    """
    if database == "postgres":
        return (Statement("", f"ALTER TABLE {RUNS} ENABLE TRIGGER {BIRTH}"),)
    return (_trigger(database, _birth(policy)),)


def drop_birth_statements(database: Database) -> tuple[Statement, ...]:
    """The statements that let runs in that are not new, for a restore inside one transaction.

    Example:
        >>> drop_birth_statements("sqlite")[0].sql
        'DROP TRIGGER IF EXISTS runengine_birth'
    """
    if database == "postgres":  # unlike DROP TRIGGER, this lets others go on reading
        return (Statement("", f"ALTER TABLE {RUNS} DISABLE TRIGGER {BIRTH}"),)
    return (_drop(database, BIRTH),)


def function_statements(database: Database) -> tuple[Statement, ...]:
    """The statements that make what PostgreSQL's triggers call; they do not depend on the policy.

    Example:
        >>> function_statements("sqlite"), len(function_statements("postgres"))
        ((), 3)
    """
    if database == "sqlite":
        return ()
    made = (
        Statement(
            "",
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql\nAS $runengine$\n{body}\n$runengine$",
        )
        for name, body in _FUNCTIONS.items()
    )
    return (*made, Statement("It looks into its own schema, whatever the search_path of who updates.", _BOUND))


def drop_function_statements(database: Database) -> tuple[Statement, ...]:
    """The statements that remove the functions, where they are there.

    Example:
        >>> drop_function_statements("postgres")[0].sql
        'DROP FUNCTION IF EXISTS runengine_refuse()'
    """
    if database == "sqlite":
        return ()
    return tuple(Statement("", f"DROP FUNCTION IF EXISTS {name}()") for name in _FUNCTIONS)


def _step(database: Database, policy: Policy) -> Statement:
    comment = "A status changes by a legal step only."
    if database == "postgres":
        when = "OLD.status IS DISTINCT FROM NEW.status"
        return Statement(comment, _calling(STEP, "UPDATE", when, STEP, policy.name))
    rule = _Rule(
        name=STEP,
        on="UPDATE OF status",
        when=f"OLD.status <> NEW.status AND NOT EXISTS (\n  {_LOOKUP})",
        message=f"no legal step between these statuses (policy {policy.name})",
        comment=comment,
    )
    return _trigger(database, rule)


def _ended() -> _Rule:
    return _Rule(
        name=_ENDED,
        on="UPDATE",
        when=f"OLD.status IN ({listed(TERMINAL)}) AND (NEW.waiting > OLD.waiting\n  OR {_differs(_FROZEN)})",
        message="it has ended: nothing but its metadata changes any more",
        comment="A run that has ended keeps everything but its metadata.",
    )


def _identity() -> _Rule:
    return _Rule(
        name=_IDENTITY,
        on="UPDATE",
        when=_differs(_NEVER),
        message=f"{_and(_NEVER)} never change",
        comment="What a run is known by never changes.",
    )


def _counters() -> _Rule:
    return _Rule(
        name=_COUNTERS,
        on="UPDATE",
        when=" OR ".join(f"NEW.{name} < OLD.{name}" for name in _RISING),
        message=f"{_and(_RISING)} never go down",
        comment="What guards a write never goes back.",
    )


def _birth(policy: Policy) -> _Rule:
    birth = _birth_status(policy)
    unset = tuple(shape.field for shape in SHAPE if presence(shape.field, birth) == "may")
    broken = (
        f"NEW.status <> {literal(birth)}",
        "NEW.version <> 1",
        "NEW.fence <> 0",
        "NEW.losses <> 0",
        *(f"NEW.{name} IS NOT NULL" for name in unset),
    )
    without = f", without {' and '.join(unset)}" if unset else ""
    return _Rule(
        name=BIRTH,
        on="INSERT",
        when=" OR ".join(broken),
        message=f"a run is born {birth}, at version 1, fence 0 and losses 0{without} (policy {policy.name})",
        comment="A run begins at the beginning.",
    )


def _birth_status(policy: Policy) -> Status:
    return next(row.target for row in policy.rows if row.source is None)


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _differs(names: tuple[str, ...]) -> str:
    return "\n  OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in names)


def _trigger(database: Database, rule: _Rule) -> Statement:
    if database == "postgres":
        sql = _calling(rule.name, rule.on, rule.when, "runengine_refuse", rule.message)
    else:
        when = rule.when.replace("IS DISTINCT FROM", "IS NOT")  # the standard's words are SQLite's from 3.39
        sql = (
            f"CREATE TRIGGER {rule.name} BEFORE {rule.on} ON {RUNS}\nWHEN {when}\n"
            f"BEGIN\n  SELECT RAISE(ABORT, {literal(f'runengine: {rule.message}')});\nEND"
        )
    return Statement(rule.comment, sql)


def _calling(name: str, on: str, when: str, function: str, argument: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {on} ON {RUNS} FOR EACH ROW\nWHEN ({when})\n"
        f"EXECUTE FUNCTION {function}({literal(argument)})"
    )


def _drop(database: Database, name: str) -> Statement:
    return Statement("", f"DROP TRIGGER IF EXISTS {name}{f' ON {RUNS}' if database == 'postgres' else ''}")
