-- A table a kind of resource. Columns are named like the fields of resources.proto; lists and sub-messages that refer to nothing are
-- jsonb. Constraints are checked at commit, because one file may swap two serials or move a reference.
BEGIN;

-- What was deleted: ids are never reused, and replicas learn of deletions from here.
CREATE TABLE registry.retired_id (
  kind            text NOT NULL,
  id              text NOT NULL,
  uid             text NOT NULL,
  delete_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX ON registry.retired_id (changed_version);

CREATE FUNCTION registry.refuse_retired_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM registry.retired_id r WHERE r.kind = TG_TABLE_NAME AND r.id = NEW.id) THEN
    RAISE EXCEPTION '% % was deleted; ids are never reused', TG_TABLE_NAME, NEW.id USING ERRCODE = 'unique_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TABLE registry.partner (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  asns            jsonb NOT NULL,
  as_set          text NOT NULL,
  allowed_prefixes jsonb NOT NULL,
  allow_prefix_overlap boolean NOT NULL,
  contacts        jsonb NOT NULL,
  peak_traffic_bps bigint NOT NULL CHECK (peak_traffic_bps >= 0)
);
CREATE INDEX ON registry.partner (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.partner FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.site (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  kind            text NOT NULL CHECK (kind IN ('EMBEDDED', 'IX', 'ORIGIN')),
  partner         text REFERENCES registry.partner DEFERRABLE INITIALLY DEFERRED,
  coordinates     jsonb,
  country         text NOT NULL,
  time_zone       text NOT NULL,
  fill_window     jsonb,
  open_to_unrouted boolean NOT NULL,
  CHECK ((kind = 'EMBEDDED') = (partner IS NOT NULL))
);
CREATE INDEX ON registry.site (changed_version);
CREATE INDEX ON registry.site (partner);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.site FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.link (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  site            text NOT NULL REFERENCES registry.site DEFERRABLE INITIALLY DEFERRED,
  kind            text NOT NULL CHECK (kind IN ('SITE_UPLINK', 'PEERING_PORT', 'PARTNER_AGREEMENT')),
  partner         text REFERENCES registry.partner DEFERRABLE INITIALLY DEFERRED,
  capacity_bps    bigint NOT NULL CHECK (capacity_bps > 0),
  contract_cap_bps bigint NOT NULL CHECK (contract_cap_bps >= 0)
);
CREATE INDEX ON registry.link (changed_version);
CREATE INDEX ON registry.link (site);
CREATE INDEX ON registry.link (partner);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.link FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.cluster (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  site            text NOT NULL REFERENCES registry.site DEFERRABLE INITIALLY DEFERRED,
  content_region  text NOT NULL,
  popularity_feed text NOT NULL,
  copies          integer NOT NULL CHECK (copies BETWEEN 1 AND 16),
  fill_policy     jsonb
);
CREATE INDEX ON registry.cluster (changed_version);
CREATE INDEX ON registry.cluster (site);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.cluster FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.appliance (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  serial          text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED,
  site            text NOT NULL REFERENCES registry.site DEFERRABLE INITIALLY DEFERRED,
  cluster         text REFERENCES registry.cluster DEFERRABLE INITIALLY DEFERRED,
  kind            text NOT NULL CHECK (kind IN ('STORAGE', 'FLASH', 'COLLECTOR', 'ORIGIN')),
  tiers           jsonb NOT NULL,
  capacity_bps    bigint NOT NULL CHECK (capacity_bps >= 0),
  power_watts     integer NOT NULL CHECK (power_watts >= 0),
  endpoints       jsonb NOT NULL,
  fill_rate_bps   bigint NOT NULL CHECK (fill_rate_bps >= 0),
  bgp             jsonb,
  admin_state     text NOT NULL CHECK (admin_state IN ('PROVISIONING', 'LIVE', 'DRAINING', 'DRAINED', 'DISABLED', 'RETIRED')),
  credential_sha256 text NOT NULL
);
CREATE INDEX ON registry.appliance (changed_version);
CREATE INDEX ON registry.appliance (site);
CREATE INDEX ON registry.appliance (cluster);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.appliance FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.bgp_session (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  appliance       text NOT NULL REFERENCES registry.appliance DEFERRABLE INITIALLY DEFERRED,
  role            text NOT NULL CHECK (role IN ('DIRECT', 'VIA_ROUTER', 'ROUTER_FEED')),
  families        jsonb NOT NULL,
  peer_address    text NOT NULL,
  peer_port       integer NOT NULL CHECK (peer_port BETWEEN 1 AND 65535),
  peer_asn        bigint NOT NULL,
  partner         text REFERENCES registry.partner DEFERRABLE INITIALLY DEFERRED,
  transport_class text NOT NULL,
  min_length_v4   integer NOT NULL,
  max_length_v4   integer NOT NULL,
  min_length_v6   integer NOT NULL,
  max_length_v6   integer NOT NULL,
  max_prefixes    integer NOT NULL CHECK (max_prefixes >= 0),
  link            text REFERENCES registry.link DEFERRABLE INITIALLY DEFERRED,
  router_feed     text REFERENCES registry.bgp_session DEFERRABLE INITIALLY DEFERRED,
  UNIQUE (appliance, role, peer_address, peer_port) DEFERRABLE INITIALLY DEFERRED,
  CHECK (transport_class IN ('UNSPECIFIED', 'EMBEDDED', 'PRIVATE_PEERING', 'PUBLIC_PEERING', 'TRANSIT'))
);
CREATE INDEX ON registry.bgp_session (changed_version);
CREATE INDEX ON registry.bgp_session (appliance);
CREATE INDEX ON registry.bgp_session (partner);
CREATE INDEX ON registry.bgp_session (link);
CREATE INDEX ON registry.bgp_session (router_feed);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.bgp_session FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.cell (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  address         text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON registry.cell (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.cell FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

-- The sites of a cell, in the order given. A site belongs to at most one cell.
CREATE TABLE registry.cell_sites (
  cell     text NOT NULL REFERENCES registry.cell ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  position integer NOT NULL CHECK (position >= 0),
  site     text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED REFERENCES registry.site DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (cell, position)
);

CREATE TABLE registry.policy (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  display_name    text NOT NULL,
  steering        jsonb,
  health          jsonb,
  CHECK (num_nonnulls(steering, health) = 1)
);
CREATE INDEX ON registry.policy (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.policy FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.signing_key (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  state           text NOT NULL CHECK (state IN ('ACTIVE', 'VERIFY_ONLY', 'REVOKED')),
  public_key_pem  text NOT NULL
);
CREATE INDEX ON registry.signing_key (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.signing_key FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

CREATE TABLE registry.setting (
  id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,63}$'),
  uid             text NOT NULL UNIQUE,
  generation      bigint NOT NULL CHECK (generation > 0),
  create_time     timestamptz NOT NULL,
  update_time     timestamptz NOT NULL,
  changed_version bigint NOT NULL,
  value           text NOT NULL
);
CREATE INDEX ON registry.setting (changed_version);
CREATE TRIGGER refuse_retired_id BEFORE INSERT ON registry.setting FOR EACH ROW EXECUTE FUNCTION registry.refuse_retired_id();

COMMIT;
