#!/bin/sh
# Runs once, in the empty database server: a database and a login of its own for each service.
set -eu
for service in auth inventory notification ordering payment; do
    variable=$(echo "${service}_PASSWORD" | tr '[:lower:]' '[:upper:]')
    password=$(printenv "$variable")
    psql -v ON_ERROR_STOP=1 -U postgres -v name="$service" -v password="$password" <<'SQL'
create role :"name" login password :'password';
create database :"name" owner :"name";
revoke connect, temporary on database :"name" from public;
SQL
done
