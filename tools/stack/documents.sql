-- FerretDB makes btrees and looks for what a field contains (@>), for which PostgreSQL uses GIN only. So beside each btree of one
-- field comes such an index, which FerretDB knows nothing of: else every lookup reads the whole collection.
CREATE OR REPLACE FUNCTION public.add_contained_index(btree oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT i.indrelid::regclass AS documents, pg_get_expr(i.indexprs, i.indrelid) AS field
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam
    WHERE i.indexrelid = btree AND m.amname = 'btree' AND i.indnatts = 1
      AND pg_get_expr(i.indexprs, i.indrelid) ~ '^\(_jsonb -> ''[^'']*''::text\)$'
      AND NOT EXISTS (SELECT FROM pg_index o JOIN pg_class g ON g.oid = o.indexrelid JOIN pg_am a ON a.oid = g.relam
        WHERE o.indrelid = i.indrelid AND a.amname = 'gin' AND pg_get_expr(o.indexprs, o.indrelid) = pg_get_expr(i.indexprs, i.indrelid))
  LOOP
    EXECUTE format('CREATE INDEX ON %s USING gin (%s jsonb_path_ops) WITH (fastupdate = off)', made.documents, made.field);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION public.add_contained_indexes() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.add_contained_index(objid) FROM pg_event_trigger_ddl_commands();
END
$$;

DROP EVENT TRIGGER IF EXISTS contained_indexes;

CREATE EVENT TRIGGER contained_indexes ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
  EXECUTE FUNCTION public.add_contained_indexes();

-- Of an instance that is older than this.
SELECT public.add_contained_index(indexrelid) FROM pg_index;
