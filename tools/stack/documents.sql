-- FerretDB makes btrees and looks for what a field contains (@>), for which PostgreSQL uses GIN only. So beside each btree of one
-- field comes such an index, which FerretDB knows nothing of: else every lookup reads the whole collection.
CREATE OR REPLACE FUNCTION public.index_contained() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT i.indrelid::regclass AS documents, pg_get_expr(i.indexprs, i.indrelid) AS field
    FROM pg_event_trigger_ddl_commands() d
    JOIN pg_index i ON i.indexrelid = d.objid AND i.indnatts = 1
    JOIN pg_class c ON c.oid = d.objid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    WHERE pg_get_expr(i.indexprs, i.indrelid) ~ '^\(_jsonb -> ''[^'']*''::text\)$'
  LOOP
    EXECUTE format('CREATE INDEX ON %s USING gin (%s jsonb_path_ops) WITH (fastupdate = off)', made.documents, made.field);
  END LOOP;
END
$$;

CREATE EVENT TRIGGER index_contained ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
  EXECUTE FUNCTION public.index_contained();
