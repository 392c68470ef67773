import { SyncError } from '../../core/errors.ts';
import type { LogicalDatabase } from './logical-database.ts';
import type { LogicalShape } from './logical-shape.ts';
import { sqlStateOf } from './sql-state.ts';
import { quoted } from './table-shape.ts';

export function publishedTables(database: LogicalDatabase, publication: string): Promise<{ schema: string; table: string }[]> {
  return database.query('SELECT schemaname AS schema, tablename AS table FROM pg_publication_tables WHERE pubname = $1', [
    publication,
  ]);
}

/**
 * missing   there is no such publication
 * without   it leaves the table out
 * there     it has the table
 */
export interface Publication {
  readonly state: 'missing' | 'without' | 'there';
  /** What would publish the table; null where it is published. */
  readonly statement: string | null;
}

/** Throws where the publication leaves out some of what happens to its tables. */
export async function readPublication(
  database: LogicalDatabase,
  publication: string,
  { name: table, schema, table: bare, oid }: LogicalShape,
): Promise<Publication> {
  const name = quoted(publication);
  const [found] = await database.query<{ complete: boolean; whole: boolean; listed: boolean }>(
    `SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AS complete,
       p.pubviaroot OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = $4 AND c.relkind = 'p') AS whole, EXISTS (SELECT FROM pg_publication_tables t
       WHERE t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3) AS listed
     FROM pg_publication p WHERE p.pubname = $1`,
    [publication, schema, bare, oid],
  );
  if (found === undefined) {
    const statement = `CREATE PUBLICATION ${name} FOR TABLE ${table} WITH (publish_via_partition_root = true)`;
    return { state: 'missing', statement };
  }
  if (!found.complete) {
    throw new SyncError(
      'source.misconfigured',
      `the publication ${name} leaves changes out: ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`,
    );
  }
  if (!found.whole) {
    throw new SyncError(
      'source.misconfigured',
      `the publication ${name} tells the partitions of ${table} instead of the table: ALTER PUBLICATION ${name} SET (publish_via_partition_root = true)`,
    );
  }
  if (found.listed) return { state: 'there', statement: null };
  return { state: 'without', statement: `ALTER PUBLICATION ${name} ADD TABLE ${table}` };
}

/**
 * Sees to it that the table's changes are published; true where the publication had to be made, which slots from before do
 * not know. A table that was read before and is left out of it has changes that nobody will tell.
 */
export async function publish(
  database: LogicalDatabase,
  publication: string,
  shape: LogicalShape,
  wasRead: boolean,
): Promise<boolean> {
  const { state, statement } = await readPublication(database, publication, shape);
  if (statement === null) return false;
  if (state === 'without' && wasRead)
    throw new SyncError('source.position-lost', `the publication ${quoted(publication)} left ${shape.name} out for a while`);
  try {
    await database.query(statement);
  } catch (error) {
    // 42710: another process was faster.
    if (sqlStateOf(error) === '42501') throw (await publishingProblem(database, publication, shape)) ?? error;
    if (sqlStateOf(error) !== '42710') throw error;
  }
  return state === 'missing';
}

interface RoleRow {
  role: string;
  database: string;
  owns_table: boolean;
  owns_publication: boolean;
  creates: boolean;
}

/** The user of the source, the owner of the table and that of the publication, and what each of them may. */
const rolesText = `
  SELECT quote_ident(pg_get_userbyid(w.role)) AS role, quote_ident(current_database()) AS database,
    pg_has_role(w.role, c.relowner, 'USAGE') AS owns_table,
    p.oid IS NOT NULL AND pg_has_role(w.role, p.pubowner, 'USAGE') AS owns_publication,
    has_database_privilege(w.role, current_database(), 'CREATE') AS creates
  FROM pg_class c LEFT JOIN pg_publication p ON p.pubname = $2
    CROSS JOIN LATERAL (VALUES (1, (SELECT oid FROM pg_roles WHERE rolname = current_user)), (2, c.relowner), (3, p.pubowner)) AS w(n, role)
  WHERE c.oid = $1 AND w.role IS NOT NULL ORDER BY w.n`;

/** Why the table is not published and the user of the source may not do it, and who may; null where nothing is in the way. */
export async function publishingProblem(
  database: LogicalDatabase,
  publication: string,
  shape: LogicalShape,
): Promise<SyncError | null> {
  const { state, statement } = await readPublication(database, publication, shape);
  if (statement === null) return null;
  const [user, ...owners] = await database.query<RoleRow>(rolesText, [shape.oid, publication]);
  const may = (row: RoleRow) => row.owns_table && (state === 'missing' ? row.creates : row.owns_publication);
  if (user === undefined || may(user)) return null;
  const grantTo = ({ role }: RoleRow) => `GRANT CREATE ON DATABASE ${user.database} TO ${role}`;
  const runner = owners.find(may);
  const [owner] = owners;
  const advice =
    state === 'missing' && user.owns_table
      ? grantTo(user)
      : runner !== undefined
        ? `let ${runner.role} run ${statement}`
        : state === 'missing' && owner !== undefined
          ? `${grantTo(owner)}, and let ${owner.role} run ${statement}`
          : `let a superuser run ${statement}, because nobody else owns both`;
  return new SyncError('source.misconfigured', `the user ${user.role} may not publish ${shape.name}: ${advice}`, {
    details: { table: shape.name, publication },
  });
}
