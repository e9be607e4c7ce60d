-- +goose Up
create table passkeys (
    id           bytea primary key, -- the credential id that the authenticator chose
    account_id   uuid not null references accounts on delete cascade,
    name         text not null,
    credential   jsonb not null, -- public key, flags and counter (WebAuthn section 4, credential record)
    created_at   timestamptz not null,
    last_used_at timestamptz
);
create index on passkeys (account_id);
