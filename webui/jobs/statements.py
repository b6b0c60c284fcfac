"""The queue's SQL: each statement a constant, its values named."""

PUT = """
INSERT INTO jobs (id, owner, task, request, state, created, place, alone)
VALUES (:id, :owner, :task, :request, :state, :created, :place, :alone)
"""

GET = "SELECT * FROM jobs WHERE id = :id"

LIST = """
SELECT * FROM jobs
WHERE (:owner IS NULL OR owner = :owner)
  AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
  AND (:before IS NULL OR created < :before)
ORDER BY created DESC, rowid DESC LIMIT :limit
"""

# A place below zero was given by FRONT and outranks everybody's turn. Else turn by turn: an owner's k-th waiting job
# comes with the k-th of the others, running jobs count as turns taken, and within a turn the owner who was served
# longest ago goes first.
_ORDERED = """
FROM (
    SELECT waiting.*,
        ROW_NUMBER() OVER (PARTITION BY owner, place < 0 ORDER BY place, rowid)
            + (SELECT COUNT(*) FROM jobs AS running WHERE running.state = 'running' AND running.owner = waiting.owner)
            AS turn,
        COALESCE((SELECT MAX(started) FROM jobs AS served
                  WHERE served.started > :since AND served.owner = waiting.owner), 0) AS served
    FROM (SELECT rowid, * FROM jobs WHERE state = 'queued') AS waiting
)
ORDER BY
    CASE WHEN place < 0 THEN place ELSE 0 END,
    turn, served, place, rowid
"""

WAITING = f"SELECT * {_ORDERED} LIMIT :limit"

LINE = f"SELECT id, owner {_ORDERED}"

START = "UPDATE jobs SET state = 'running', started = :now WHERE id = :id AND state = 'queued'"

REQUEUE = """
UPDATE jobs SET state = 'queued', attempts = attempts + :count, alone = MAX(alone, :alone)
WHERE id = :id AND state = 'running'
"""

INTERRUPT = "UPDATE jobs SET interrupted = 1 WHERE id = :id AND state = 'running'"

END = """
UPDATE jobs SET state = :state, ended = :now, problem = :problem, timings = :timings,
    interrupted = :interrupted
WHERE id = :id AND state IN ('queued', 'running')
"""

FORGET_RESERVED = "DELETE FROM pictures WHERE job_id = :id AND state = 'reserved'"

FRONT = """
UPDATE jobs SET place = MIN(0, (SELECT MIN(place) FROM jobs WHERE state = 'queued')) - 1
WHERE id = :id AND state = 'queued'
"""

RECOVER = "UPDATE jobs SET state = 'queued' WHERE state = 'running' RETURNING id"

FACT = "SELECT value FROM facts WHERE name = :name"

SET_FACT = """
INSERT INTO facts (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

RESERVE = """
INSERT INTO pictures (id, job_id, number, owner, path, seed, state)
VALUES (:id, :job_id, :number, (SELECT owner FROM jobs WHERE id = :job_id), :path, :seed, 'reserved')
"""

PICTURES_OF = "SELECT number, path, state FROM pictures WHERE job_id = :job_id ORDER BY number"

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
  AND NOT EXISTS (SELECT 1 FROM json_each(:words) AS word WHERE infotext NOT LIKE word.value ESCAPE '\\')
ORDER BY created DESC LIMIT :limit
"""

PICTURE = "SELECT * FROM pictures WHERE id = :id AND state = 'saved'"

PICTURES_OF_JOBS = """
SELECT * FROM pictures
WHERE state = 'saved' AND job_id IN (SELECT value FROM json_each(:ids))
ORDER BY job_id, number
"""

REMOVE_PICTURE = "UPDATE pictures SET state = 'removed' WHERE id = :id AND state = 'saved'"
