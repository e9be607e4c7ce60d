-- +goose Up
-- The defaults are for replicas of the version before, which know nothing of these columns.
alter table sessions
    add column agent            text not null default '',           -- "Firefox on Windows": a family, no fingerprint
    add column last_seen_at     timestamptz not null default now(), -- when it was last refreshed
    add column authenticated_at timestamptz not null default now(); -- when its owner last proved to be there
create index on sessions (ended_at) where ended_at is not null;

-- A wish for another password that waits for the proof that it comes from the mailbox.
create table password_resets (
    request_id uuid primary key,
    account_id uuid not null references accounts on delete cascade,
    created_at timestamptz not null
);
create index on password_resets (account_id);
create index on password_resets (created_at);

create table password_reset_tokens (
    hash       bytea primary key, -- SHA-256 of the token
    request_id uuid not null references password_resets on delete cascade,
    expires_at timestamptz not null
);
create index on password_reset_tokens (request_id);
