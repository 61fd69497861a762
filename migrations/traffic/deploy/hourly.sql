-- Bytes served, per box and hour.
BEGIN;

-- Times are the beginnings of hours. Numbers of cause and family are those of fairlead.common.v1. The empty title is the sum of the rest.
CREATE TABLE traffic.hourly (
  appliance        text NOT NULL,
  hour             timestamptz NOT NULL,
  title            text NOT NULL,
  version          text NOT NULL,
  rank             smallint NOT NULL CHECK (rank BETWEEN 0 AND 3),
  position         smallint NOT NULL CHECK (position >= 0),
  cause            smallint NOT NULL CHECK (cause >= 0),
  family           smallint NOT NULL CHECK (family >= 0),
  fill             boolean NOT NULL,
  requests         bigint NOT NULL CHECK (requests >= 0),
  bytes            bigint NOT NULL CHECK (bytes >= 0),
  refused_requests bigint NOT NULL CHECK (refused_requests >= 0),
  PRIMARY KEY (appliance, hour, title, version, rank, position, cause, family, fill)
);
-- For sums over all boxes of the last days, and for forgetting old hours. Hours arrive in order, so a block range index does.
CREATE INDEX hourly_hour ON traffic.hourly USING brin (hour) WITH (pages_per_range = 32);

-- The last batch of each cell: a batch whose commit was in doubt is repeated, and must count once.
CREATE TABLE traffic.writer (
  cell   text PRIMARY KEY,
  epoch  numeric(20) NOT NULL,
  number numeric(20) NOT NULL
);

COMMIT;
