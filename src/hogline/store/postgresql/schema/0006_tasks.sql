-- oldest_reader: 4
--
-- What other processes ask of the owner: commands, and pages of the console.
CREATE TABLE task (
    id      uuid PRIMARY KEY,
    number  bigint GENERATED ALWAYS AS IDENTITY,
    asked   timestamptz NOT NULL DEFAULT clock_timestamp(),
    request bytea NOT NULL,               -- encrypted
    epoch   bigint,                       -- of the owner that has begun it: it is begun once
    answer  bytea                         -- encrypted
);

CREATE INDEX task_waiting ON task (number) WHERE epoch IS NULL;
