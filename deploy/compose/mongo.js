// Runs once, in the empty database server: a login for each service, which reaches its own database alone.
for (const service of ["catalog", "client"]) {
  db.getSiblingDB(service).createUser({
    user: service,
    pwd: process.env[`${service.toUpperCase()}_PASSWORD`],
    roles: [{ role: "readWrite", db: service }],
  });
}
