"""The queue's SQL: each statement a constant, its values named."""

from webui.core.model_work import WORKSHOP
from webui.core.request import DEVICE
from webui.core.script_request import SCRIPTS, TASK

PUT = """
INSERT INTO jobs (id, owner, task, request, state, created, place, alone, parent, part, ended, problem)
VALUES (:id, :owner, :task, :request, :state, :created, :place, :alone, :parent, :part, :ended, :problem)
"""

GET = "SELECT * FROM jobs WHERE id = :id"

CHILDREN = "SELECT * FROM jobs WHERE parent = :parent ORDER BY part"


_IS_WORK = "task IN (SELECT value FROM json_each(:works))"

KINDS = (DEVICE, WORKSHOP, SCRIPTS)
"""The workplaces by their numbers in statements."""

_PLACE_KIND = f"CASE WHEN {_IS_WORK} THEN 1 WHEN task = '{TASK}' THEN 2 ELSE 0 END"


def listing(owner: bool, states: bool, are_works: bool | None = None) -> str:
    """Jobs, newest first: of :owner, in :states, those of :works or all others, where these are asked for. A condition
    more would keep SQLite from using its indexes. Works are few among many jobs and found by their task.
    """
    table = "jobs INDEXED BY jobs_by_task" if are_works else "jobs"
    conditions = ["(:before IS NULL OR created < :before)"]
    if owner:
        conditions.append("owner = :owner")
    if states:
        conditions.append("state IN (SELECT value FROM json_each(:states))")
    if are_works is not None:
        conditions.append(_IS_WORK if are_works else f"NOT {_IS_WORK}")
    return f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY created DESC, rowid DESC LIMIT :limit"


# A place below zero was given by FRONT and outranks everybody's turn. Else turn by turn: an owner's k-th waiting job
# comes with the k-th of the others, running jobs count as turns taken, and within a turn the owner who was served
# longest ago goes first. What is done at different places takes no turns from each other. The indexes
# are named because without statistics SQLite prefers one that leads through all jobs there ever were.
_SERVED = f"""
WITH taken AS (
    SELECT owner, {_PLACE_KIND} AS place_kind, COUNT(*) AS turns FROM jobs INDEXED BY jobs_running
    WHERE state = 'running' GROUP BY owner, place_kind
), served AS (
    SELECT owner, {_PLACE_KIND} AS place_kind, MAX(started) AS last FROM jobs INDEXED BY jobs_by_start
    WHERE started > :since GROUP BY owner, place_kind
)
"""

_ORDERED = f"""
FROM (
    SELECT waiting.*,
        ROW_NUMBER() OVER (PARTITION BY waiting.owner, waiting.place_kind, place < 0 ORDER BY place, waiting.rowid)
            + COALESCE(taken.turns, 0) AS turn,
        COALESCE(served.last, 0) AS served
    FROM (SELECT rowid, *, {_PLACE_KIND} AS place_kind FROM jobs WHERE state = 'queued') AS waiting
    LEFT JOIN taken ON taken.owner = waiting.owner AND taken.place_kind = waiting.place_kind
    LEFT JOIN served ON served.owner = waiting.owner AND served.place_kind = waiting.place_kind
)
WHERE (:owner IS NULL OR owner = :owner) AND (:place_kind IS NULL OR place_kind = :place_kind)
ORDER BY
    CASE WHEN place < 0 THEN place ELSE 0 END,
    turn, served, place, rowid
"""

WAITING = f"{_SERVED} SELECT * {_ORDERED} LIMIT :limit"

LINE = f"{_SERVED} SELECT id, owner, parent, place_kind {_ORDERED}"

COUNT = "SELECT COUNT(*) AS number FROM jobs WHERE state = :state AND (:owner IS NULL OR owner = :owner)"

COUNT_OF_TASK = """
SELECT COUNT(*) AS number FROM jobs WHERE state IN ('queued', 'running') AND task = :task AND owner = :owner
"""

START = "UPDATE jobs SET state = 'running', started = :now WHERE id = :id AND state = 'queued'"

REQUEUE = """
UPDATE jobs SET state = 'queued', attempts = attempts + :count, alone = MAX(alone, :alone)
WHERE id = :id AND state = 'running'
"""

INTERRUPT = "UPDATE jobs SET interrupted = 1 WHERE id = :id AND state = 'running'"

END = """
UPDATE jobs SET state = :state, ended = :now, problem = :problem, timings = :timings,
    interrupted = :interrupted, result = :result
WHERE id = :id AND state IN ('queued', 'running')
"""

CANCEL_WAITING = """
UPDATE jobs SET state = 'cancelled', ended = :now
WHERE state = 'queued' AND (:owner IS NULL OR owner = :owner) RETURNING id
"""

FORGET_RESERVED_OF_JOBS = """
DELETE FROM pictures
WHERE state = 'reserved' AND job_id IN (SELECT value FROM json_each(:ids)) RETURNING job_id, path
"""

JOBS = "SELECT * FROM jobs WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY created, rowid"

FORGET_RESERVED = "DELETE FROM pictures WHERE job_id = :id AND state = 'reserved'"

FRONT = """
UPDATE jobs SET place = MIN(0, (SELECT MIN(place) FROM jobs WHERE state IN ('queued', 'running'))) - 1
WHERE id = :id AND state = 'queued'
"""

RECOVER = "UPDATE jobs SET state = 'queued' WHERE state = 'running' RETURNING id"

CANCEL_ORPHANS = """
UPDATE jobs SET state = 'cancelled', ended = :now
WHERE state = 'queued' AND parent IN (SELECT id FROM jobs WHERE state IN ('failed', 'cancelled')) RETURNING id
"""

FACT = "SELECT value FROM facts WHERE name = :name"

SET_FACT = """
INSERT INTO facts (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

ADD_FACT = "INSERT OR IGNORE INTO facts (name, value) VALUES (:name, :value)"

RESERVE = """
INSERT INTO pictures (id, job_id, number, owner, path, seed, state)
VALUES (:id, :job_id, :number, (SELECT owner FROM jobs WHERE id = :job_id), :path, :seed, 'reserved')
"""

PICTURES_OF = "SELECT number, path, state FROM pictures WHERE job_id = :job_id ORDER BY number"

ALL_RESERVED = "SELECT path FROM pictures WHERE state = 'reserved'"

# Times rise strictly, so that pages of the gallery can be asked for by time and none is left out or shown twice.
SAVE_PICTURE = """
UPDATE pictures SET state = 'saved', width = :width, height = :height, infotext = :infotext, stopped_at = :stopped_at,
    created = MAX(:now, COALESCE((SELECT MAX(created) FROM pictures), 0) + 0.00001)
WHERE job_id = :job_id AND number = :number AND state = 'reserved'
"""

PICTURE_AT = "SELECT * FROM pictures WHERE job_id = :job_id AND number = :number AND state != 'reserved'"

PICTURES = """
SELECT * FROM pictures
WHERE state = 'saved'
  AND (:owner IS NULL OR owner = :owner)
  AND (:before IS NULL OR created < :before)
  AND (:words IS NULL OR has_words(infotext, :words))
ORDER BY created DESC LIMIT :limit
"""

PICTURE = "SELECT * FROM pictures WHERE id = :id AND state = :state"

PICTURES_OF_JOBS = """
SELECT * FROM pictures
WHERE state = 'saved' AND job_id IN (SELECT value FROM json_each(:ids))
ORDER BY job_id, number
"""

REMOVE_PICTURE = "UPDATE pictures SET state = 'removed', path = :path WHERE id = :id AND state = 'saved'"

RESTORE_PICTURE = "UPDATE pictures SET state = 'saved' WHERE id = :id AND state = 'removed'"
