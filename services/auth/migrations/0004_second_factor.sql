-- +goose Up
alter table accounts add column suspended_at timestamptz; -- nobody signs in until it is lifted

alter table sessions add column mfa boolean not null default false; -- its owner proved a second factor

create table totp (
    account_id   uuid primary key references accounts on delete cascade,
    sealed       bytea not null, -- the secret (RFC 6238), AES-256-GCM under AUTH_KEY_ENCRYPTION_KEY
    created_at   timestamptz not null,
    confirmed_at timestamptz,               -- from then on asked for
    last_step    bigint not null default 0  -- the latest time step of which a code was taken: each works once
);

create table recovery_codes (
    account_id uuid not null references accounts on delete cascade,
    hash       bytea not null, -- SHA-256; the codes have 80 random bits
    used_at    timestamptz,
    primary key (account_id, hash)
);
