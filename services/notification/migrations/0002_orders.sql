-- +goose Up
alter table messages add column detail text not null default ''; -- the id of the return or refund, or the reason, that it is about
create index messages_about on messages (about);
