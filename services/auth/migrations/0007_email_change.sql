-- +goose Up
-- A wish for another e-mail address that waits for the proof that its mailbox is the owner's.
create table email_changes (
    request_id   uuid primary key,
    account_id   uuid not null references accounts on delete cascade,
    email        text not null check (email = lower(email)), -- the account's once it is proved
    former       text, -- what it replaced, whose mailbox is told
    created_at   timestamptz not null,
    confirmed_at timestamptz
);
create index on email_changes (account_id);
create index on email_changes (created_at);

create table email_change_tokens (
    hash       bytea primary key, -- SHA-256 of the token
    request_id uuid not null references email_changes on delete cascade,
    expires_at timestamptz not null
);
create index on email_change_tokens (request_id);

alter table sessions add column network text not null default ''; -- "203.0.113.x", where it began: a neighbourhood, no address
