-- Drains, what an appliance shows of the one that has it, and the policy of their lengths.
BEGIN;

CREATE TABLE registry.drain (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  target          text NOT NULL CHECK (target ~ '^(appliances|sites)/'),  -- No reference: it may be deleted while the drain is kept.
  start_time      timestamptz NOT NULL,
  end_time        timestamptz CHECK (end_time > start_time),
  reason          text NOT NULL,
  phase           text NOT NULL CHECK (phase IN ('SCHEDULED', 'DRAINING', 'EVACUATING', 'LAME_DUCK', 'DRAINED', 'CANCELLED', 'ENDED')),
  boxes           jsonb NOT NULL
);
CREATE INDEX ON registry.drain (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.drain FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

-- Written in the transaction that writes the drain: {"drain": id, "phase": …}.
ALTER TABLE registry.appliance ADD COLUMN drain jsonb;

ALTER TABLE registry.policy ADD COLUMN drain jsonb;
ALTER TABLE registry.policy DROP CONSTRAINT policy_check;
ALTER TABLE registry.policy ADD CONSTRAINT policy_check CHECK (num_nonnulls(steering, health, drain) = 1);

COMMIT;
