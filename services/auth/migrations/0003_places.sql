-- +goose Up
-- Where an account's owner has signed in before: browsers and addresses, told apart by a keyed hash that means nothing
-- without the service's secret. They let the owner in while strangers guess elsewhere.
create table places (
    hash         bytea primary key, -- HMAC-SHA256 of the e-mail address and the browser's cookie, or the client's address
    account_id   uuid not null references accounts on delete cascade,
    last_seen_at timestamptz not null
);
create index on places (account_id, last_seen_at);
create index on places (last_seen_at);

-- Guesses are counted in the state store, where all replicas find them and they go away by themselves.
drop table sign_in_attempts;
