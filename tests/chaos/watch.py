"""The database as a witness: triggers of the test note who entered `sending` and who left, and when.

What they note is committed with what they saw, so the order of commits is the order of the notes: by
PostgreSQL's own commit timestamps; by the notes' ids on SQLite, which has one writer.
"""

from __future__ import annotations

from tests.chaos.oracle import Outcome
from tests.chaos.world import World

# Seconds after a pause within which mails may still be accepted.
GRACE = 5

_ENTERS = "WHEN (NEW.status = 'sending' AND OLD.status <> 'sending')"
_OPTS_OUT = "WHEN (OLD.subscribed AND NOT NEW.subscribed)"
_POSTGRES = f"""
    CREATE TABLE chaos_note (id bigserial PRIMARY KEY, what text NOT NULL, email text NOT NULL);
    CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO chaos_note (what, email) VALUES (TG_ARGV[0], NEW.email); RETURN NULL; END $$;
    CREATE TRIGGER chaos_sending AFTER UPDATE ON delivery_sendlog
        FOR EACH ROW {_ENTERS} EXECUTE FUNCTION chaos_note('sending');
    CREATE TRIGGER chaos_opt_out AFTER UPDATE ON audience_customer
        FOR EACH ROW {_OPTS_OUT} EXECUTE FUNCTION chaos_note('left');
    CREATE TRIGGER chaos_suppressed AFTER INSERT ON audience_suppression
        FOR EACH ROW EXECUTE FUNCTION chaos_note('left');
    """  # noqa: S608 - constants of ours
_NOTE = "BEGIN INSERT INTO chaos_note (what, email) VALUES ('{}', NEW.email); END;"
_SQLITE = f"""
    CREATE TABLE chaos_note (id integer PRIMARY KEY AUTOINCREMENT, what text, email text);
    CREATE TRIGGER chaos_sending AFTER UPDATE ON delivery_sendlog {_ENTERS} {_NOTE.format("sending")}
    CREATE TRIGGER chaos_opt_out AFTER UPDATE ON audience_customer {_OPTS_OUT} {_NOTE.format("left")}
    CREATE TRIGGER chaos_suppressed AFTER INSERT ON audience_suppression {_NOTE.format("left")}
    """


def install(world: World) -> None:
    world.books.do(_SQLITE if world.embedded else _POSTGRES)


def judge(world: World, outcome: Outcome) -> None:
    """Count the rows that entered `sending` after the person had left, and the leavers who were in time."""
    moment = "n.id" if world.embedded else "pg_xact_commit_timestamp(n.xmin)"
    late = f"""
        WITH notes AS (SELECT n.what, n.email, {moment} AS at FROM chaos_note n),
        gone AS (SELECT email, min(at) AS at FROM notes WHERE what = 'left' GROUP BY email)
        SELECT count(*) FROM notes JOIN gone ON gone.email = notes.email
        WHERE notes.what = 'sending' AND notes.at > gone.at"""  # noqa: S608 - constants of ours
    left = "SELECT count(DISTINCT email) FROM chaos_note WHERE what = 'left'"
    spared = "SELECT count(*) FROM delivery_sendlog WHERE status = 'suppressed'"
    outcome.counted(sending_after_leaving=world.books.one(late))
    outcome.found |= {"left": world.books.one(left), "spared": world.books.one(spared)}
    outcome.must(outcome.found["left"] == outcome.faults, f"{outcome.found['left']} have left")
    outcome.must(outcome.found["spared"] > 0, "nobody left in time: the test shows nothing")


def sent_while_paused(world: World) -> int:
    """Mails that the sink accepted of a campaign which had been paused for longer than GRACE."""
    moves = world.books.all(
        "SELECT campaign_id, to_status, extract(epoch FROM at) FROM campaigns_campaigntransition ORDER BY id"
    )
    pauses: list[tuple[int, float, float]] = []
    for number, (campaign, status, at) in enumerate(moves):
        if status == "paused":
            end = next((float(then) for of, _, then in moves[number + 1 :] if of == campaign), float("inf"))
            pauses.append((campaign, float(at) + GRACE, end))
    campaigns = dict(world.books.all("SELECT id, campaign_id FROM delivery_sendlog"))
    accepted = [(campaigns.get(line["row"]), line["at"]) for line in world.sink.lines() if line["accepted"]]
    return sum(of == campaign and start < at < end for of, at in accepted for campaign, start, end in pauses)
