-- Pieces in braces are named in dialect.go.

CREATE TABLE resources (
  id_key   {key}  PRIMARY KEY,
  type_key {key}  NOT NULL,
  uid      {key}  NOT NULL,
  state    TEXT   NOT NULL,
  tick     BIGINT NOT NULL,
  rev      BIGINT NOT NULL,
  doc      TEXT   NOT NULL
);
CREATE INDEX resources_type ON resources (type_key, id_key);

CREATE TABLE operations (
  guid        {key}  PRIMARY KEY,
  resource_id {key}  NOT NULL,
  uid         {key}  NOT NULL,
  status      TEXT   NOT NULL,
  started     BIGINT NOT NULL,
  doc         TEXT   NOT NULL
);
CREATE INDEX operations_open ON operations (started, guid) WHERE status = 'InProgress';

CREATE TABLE tenants (
  id_key {key} PRIMARY KEY,
  doc    TEXT  NOT NULL
);

CREATE TABLE applications (
  app_key    {key} PRIMARY KEY,
  object_key {key} NOT NULL UNIQUE,
  doc        TEXT  NOT NULL
);

CREATE TABLE assignments (
  id_key        {key} PRIMARY KEY,
  scope_key     {key} NOT NULL,
  role_key      {key} NOT NULL,
  principal_key {key} NOT NULL,
  doc           TEXT  NOT NULL
);
CREATE UNIQUE INDEX assignments_once ON assignments (scope_key, role_key, principal_key);

CREATE TABLE secrets (
  owner  {key}   NOT NULL,
  name   {key}   NOT NULL,
  sealed {bytes} NOT NULL,
  PRIMARY KEY (owner, name)
);

CREATE TABLE pools (
  uid                 {key}  PRIMARY KEY,
  account_uid         {key}  NOT NULL,
  id_key              {key}  NOT NULL,
  state               TEXT   NOT NULL,
  allocation          TEXT   NOT NULL,
  target_dedicated    BIGINT NOT NULL,
  target_low_priority BIGINT NOT NULL,
  tick                BIGINT NOT NULL,
  rev                 BIGINT NOT NULL,
  doc                 TEXT   NOT NULL
);
CREATE UNIQUE INDEX pools_id ON pools (account_uid, id_key);

-- running_tasks and running_slots count the node's open attempts and orphans.
CREATE TABLE nodes (
  uid             {key}  PRIMARY KEY,
  pool_uid        {key}  NOT NULL,
  id_key          {key}  NOT NULL,
  number          BIGINT NOT NULL,
  dedicated       BIGINT NOT NULL,
  state           TEXT   NOT NULL,
  state_at        BIGINT NOT NULL,
  scheduling      TEXT   NOT NULL,
  boot_id         TEXT   NOT NULL,
  slots           BIGINT NOT NULL,
  running_tasks   BIGINT NOT NULL,
  running_slots   BIGINT NOT NULL,
  total_run       BIGINT NOT NULL,
  total_succeeded BIGINT NOT NULL,
  tick            BIGINT NOT NULL,
  rev             BIGINT NOT NULL,
  recent          TEXT   NOT NULL,
  doc             TEXT   NOT NULL
);
CREATE UNIQUE INDEX nodes_id ON nodes (pool_uid, id_key);
CREATE INDEX nodes_state ON nodes (pool_uid, dedicated, state);

-- watched: the job's loop has to look at it while it is active.
CREATE TABLE jobs (
  no              {serial},
  uid             {key}  NOT NULL UNIQUE,
  account_uid     {key}  NOT NULL,
  id_key          {key}  NOT NULL,
  id              TEXT   NOT NULL,
  pool_key        {key}  NOT NULL,
  state           TEXT   NOT NULL,
  priority        BIGINT NOT NULL,
  max_parallel    BIGINT NOT NULL,
  watched         BIGINT NOT NULL,
  created         BIGINT NOT NULL,
  tick            BIGINT NOT NULL,
  rev             BIGINT NOT NULL,
  active          BIGINT NOT NULL DEFAULT 0,
  running         BIGINT NOT NULL DEFAULT 0,
  succeeded       BIGINT NOT NULL DEFAULT 0,
  failed          BIGINT NOT NULL DEFAULT 0,
  active_slots    BIGINT NOT NULL DEFAULT 0,
  running_slots   BIGINT NOT NULL DEFAULT 0,
  succeeded_slots BIGINT NOT NULL DEFAULT 0,
  failed_slots    BIGINT NOT NULL DEFAULT 0,
  doc             TEXT   NOT NULL
);
CREATE UNIQUE INDEX jobs_id ON jobs (account_uid, id_key);
CREATE INDEX jobs_pool ON jobs (account_uid, pool_key, state);
CREATE INDEX jobs_live ON jobs (no) WHERE state <> 'completed';

-- seq is the order of arrival. spec is what the user asked for and is written
-- once as a rule; run is the rest and is written at each step.
CREATE TABLE tasks (
  seq       {serial},
  uid       {key}  NOT NULL UNIQUE,
  job       BIGINT NOT NULL,
  id_key    {key}  NOT NULL,
  state     TEXT   NOT NULL,
  ending    TEXT   NOT NULL,
  slots     BIGINT NOT NULL,
  succeeded BIGINT NOT NULL,
  attempt   BIGINT NOT NULL,
  tick      BIGINT NOT NULL,
  rev       BIGINT NOT NULL,
  run       TEXT   NOT NULL,
  spec      TEXT   NOT NULL
);
CREATE UNIQUE INDEX tasks_id ON tasks (job, id_key);
CREATE INDEX tasks_state ON tasks (job, state, id_key);
CREATE INDEX tasks_queue ON tasks (job, seq) WHERE state = 'active';
CREATE INDEX tasks_ending ON tasks (seq) WHERE state = 'running' AND ending <> '';

-- An attempt is open while ended is 0; then its task is running and has its number.
CREATE TABLE attempts (
  task      BIGINT NOT NULL,
  number    BIGINT NOT NULL,
  node_uid  {key}  NOT NULL,
  boot_id   TEXT   NOT NULL,
  claimed   BIGINT NOT NULL,
  started   BIGINT NOT NULL,
  ended     BIGINT NOT NULL,
  outcome   TEXT   NOT NULL,
  exit_code BIGINT,
  PRIMARY KEY (task, number)
) {clustered};
CREATE INDEX attempts_open ON attempts (node_uid) WHERE ended = 0;

-- Attempts that may still run on a node though their task is gone or is no
-- longer theirs; the agent's word that it ended removes the row.
CREATE TABLE orphans (
  task_uid {key}  NOT NULL,
  number   BIGINT NOT NULL,
  node_uid {key}  NOT NULL,
  slots    BIGINT NOT NULL,
  PRIMARY KEY (task_uid, number)
) {clustered};
CREATE INDEX orphans_node ON orphans (node_uid);

CREATE TABLE events (
  seq        {rising},
  at         BIGINT NOT NULL,
  actor      TEXT   NOT NULL,
  noun       TEXT   NOT NULL,
  uid        TEXT   NOT NULL,
  from_state TEXT   NOT NULL,
  to_state   TEXT   NOT NULL,
  cause      TEXT   NOT NULL,
  attempt    BIGINT NOT NULL
);
