-- +goose Up
create table accounts (
    id            uuid primary key,
    email         text not null unique check (email = lower(email)),
    name          text not null,
    password_hash text not null, -- Argon2id, PHC string format
    roles         text[] not null default '{customer}' check (cardinality(roles) > 0),
    verified_at   timestamptz,
    created_at    timestamptz not null
);

-- A registration that waits for the proof of its address. It carries the credentials it was made with: the mail that is
-- answered decides which password the account gets, so nobody can prepare an account for somebody else's address.
create table verifications (
    request_id    uuid primary key,
    account_id    uuid not null references accounts on delete cascade,
    name          text not null,
    password_hash text not null,
    created_at    timestamptz not null
);
create index on verifications (account_id);
create index on verifications (created_at);

create table verification_tokens (
    hash       bytea primary key, -- SHA-256 of the token
    request_id uuid not null references verifications on delete cascade,
    expires_at timestamptz not null
);
create index on verification_tokens (request_id);

create table sessions (
    id           uuid primary key,
    account_id   uuid not null references accounts on delete cascade,
    created_at   timestamptz not null,
    expires_at   timestamptz not null, -- however often it is refreshed
    ended_at     timestamptz,
    ended_reason text
);
create index on sessions (account_id);
create index on sessions (expires_at);

create table refresh_tokens (
    hash       bytea primary key, -- SHA-256 of the token
    session_id uuid not null references sessions on delete cascade,
    parent     bytea, -- the token it was exchanged for; null for the first of a session
    issued_at  timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index on refresh_tokens (session_id);
create index on refresh_tokens (parent);

-- Failed sign-ins in a row, by what was typed and where from; never joined with accounts, so that an address without an
-- account is slowed down just the same.
create table sign_in_attempts (
    subject    bytea primary key, -- SHA-256 of e-mail address and client address
    failures   int not null,
    last_at    timestamptz not null,
    not_before timestamptz not null
);
create index on sign_in_attempts (last_at);

create table signing_keys (
    kid        text primary key,
    public_key bytea not null,
    sealed     bytea not null, -- Ed25519 seed, AES-256-GCM under AUTH_KEY_ENCRYPTION_KEY
    created_at timestamptz not null,
    retired_at timestamptz -- from then on neither used nor published
);
