-- Plans, manifests and request ids.
BEGIN;

-- The plan in force is the one with the highest number.
CREATE TABLE fill.plan (
  number          bigint PRIMARY KEY CHECK (number > 0),
  create_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL
);

CREATE TABLE fill.plan_cluster (
  plan    bigint NOT NULL REFERENCES fill.plan ON DELETE CASCADE,
  cluster text NOT NULL,
  copies  integer NOT NULL,
  PRIMARY KEY (plan, cluster)
);

CREATE TABLE fill.plan_box (
  plan           bigint NOT NULL REFERENCES fill.plan ON DELETE CASCADE,
  appliance      text NOT NULL,
  cluster        text NOT NULL,
  generation     text NOT NULL,
  files          integer NOT NULL,
  bytes          bigint NOT NULL,
  capacity_bytes bigint NOT NULL,
  files_added    integer NOT NULL,
  files_removed  integer NOT NULL,
  -- Five bytes a file in the order to fetch: number, big-endian, and tier. Of the plan in force only: read whole, never searched.
  entries        bytea,
  PRIMARY KEY (plan, appliance)
);

CREATE TABLE fill.plan_short_file (
  plan          bigint NOT NULL REFERENCES fill.plan ON DELETE CASCADE,
  cluster       text NOT NULL,
  file_number   bigint NOT NULL,
  copies_placed integer NOT NULL,
  reason        text NOT NULL,
  PRIMARY KEY (plan, cluster, file_number)
);

-- What a request id was used for, so that a repeated request gets the answer of the first.
CREATE TABLE fill.request (
  request_id  text PRIMARY KEY,
  -- "import" or "plan", and a fingerprint of the request.
  kind        text NOT NULL CHECK (kind IN ('import', 'plan')),
  fingerprint text NOT NULL,
  created     boolean NOT NULL,
  create_time timestamptz NOT NULL
);
CREATE INDEX ON fill.request (create_time);

COMMIT;
