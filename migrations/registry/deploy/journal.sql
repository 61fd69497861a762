-- What is written beside a change, in its transaction: audit, request ids, enrolment.
BEGIN;

CREATE TABLE registry.audit (
  sequence       bigint PRIMARY KEY,  -- From config_version.audit_sequence: without gaps, in the order of commits.
  time           timestamptz NOT NULL,
  principal      text NOT NULL,
  method         text NOT NULL,
  resource       text NOT NULL,
  config_version bigint NOT NULL,
  before         json,
  after          json
);
CREATE INDEX ON registry.audit (resource, sequence);

-- The results of writes by request id, so that a repeated request gets the same answer. Pruned by age.
CREATE TABLE registry.request (
  request_id  text PRIMARY KEY CHECK (length(request_id) BETWEEN 1 AND 64),
  method      text NOT NULL,
  body_sha256 text NOT NULL,
  result      bytea NOT NULL,
  create_time timestamptz NOT NULL
);
CREATE INDEX ON registry.request (create_time);

-- The secret with which a box may bind to an appliance, as its SHA-256 only.
CREATE TABLE registry.enrollment (
  appliance       text PRIMARY KEY REFERENCES registry.appliance ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  token_sha256    text NOT NULL,
  issue_time      timestamptz NOT NULL,
  installation_id text NOT NULL DEFAULT '',  -- Empty until a box has bound.
  enroll_time     timestamptz
);

COMMIT;
