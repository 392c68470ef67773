import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SourceStream } from '../../core/ports/source-connector.ts';
import { logicalPostgres, slotOf, slotsAreFree } from '../../tests/logical-world.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';

let database: TestDatabase;
let name: string;
let user: string;
let owner: string;

beforeEach(async () => {
  database = await openTestDatabase();
  name = new URL(database.url).pathname.slice(1);
  [user, owner] = [`u_${name}`, `o_${name}`];
  await sql(`CREATE ROLE ${user} LOGIN REPLICATION PASSWORD 'p'; CREATE ROLE ${owner};
    CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY); GRANT SELECT ON a TO ${user}`);
});
afterEach(async () => {
  await sql(`DROP TABLE a, b; DROP PUBLICATION IF EXISTS ${slotOf(database.url)}`);
  await sql(`DROP OWNED BY ${user}, ${owner}; DROP ROLE ${user}, ${owner}`);
  await database.close();
});

const sql = (text: string) => database.pool.query(text);

async function asUser<T>(work: (stream: SourceStream) => Promise<T>): Promise<T> {
  const url = new URL(database.url);
  Object.assign(url, { username: user, password: 'p' });
  const connector = logicalPostgres(url.href, [{ kind: 'a' }], 50);
  try {
    return await work(connector.streams[0]!);
  } finally {
    await connector.close();
    await slotsAreFree(database);
  }
}

/** What `datasource test` says to the user of the source. */
function problem(): Promise<string | null> {
  return asUser(async (stream) => (await stream.check()).problem?.message ?? null);
}

/** What the server says when it comes to it. */
function reads(): Promise<boolean> {
  return asUser(async (stream) => {
    const notes = { heads: async () => [], body: async () => null };
    const chunks = stream.read({ mark: null, notes }, new AbortController().signal)[Symbol.asyncIterator]();
    try {
      return (await chunks.next()).done === false;
    } finally {
      await chunks.return?.();
    }
  });
}

describe('a look at a table that is not published', () => {
  it('who owns neither the table nor the database is told whose statement it is', async () => {
    const made = `CREATE PUBLICATION "${slotOf(database.url)}" FOR TABLE "public"."a" WITH (publish_via_partition_root = true)`;
    expect(await problem()).toMatch(new RegExp(`may not publish "public"."a": let \\w+ run ${escaped(made)}$`));
    await sql(`ALTER TABLE a OWNER TO ${owner}`);
    expect(await problem()).toContain(`GRANT CREATE ON DATABASE ${name} TO ${owner}, and let ${owner} run ${made}`);
    await sql(`GRANT CREATE ON DATABASE ${name} TO ${owner}, ${user}`);
    expect(await problem()).toContain(`: let ${owner} run ${made}`);
    await expect(reads()).rejects.toThrow(`: let ${owner} run ${made}`);
    await sql(`GRANT ${owner} TO ${user}`);
    expect([await problem(), await reads()]).toEqual([null, true]);
  });

  it('who owns the table needs only to be let make publications', async () => {
    await sql(`ALTER TABLE a OWNER TO ${user}`);
    expect(await problem()).toMatch(new RegExp(`: GRANT CREATE ON DATABASE ${name} TO ${user}$`));
    await sql(`GRANT CREATE ON DATABASE ${name} TO ${user}`);
    expect([await problem(), await reads()]).toEqual([null, true]);
  });

  it('where the publication is there without it, whoever owns both is named, and a superuser only where nobody does', async () => {
    const publication = slotOf(database.url);
    const added = `run ALTER PUBLICATION "${publication}" ADD TABLE "public"."a"`;
    await sql(`CREATE PUBLICATION ${publication} FOR TABLE b`);
    expect(await problem()).toMatch(new RegExp(`: let \\w+ ${escaped(added)}$`));
    await sql(
      `GRANT CREATE ON DATABASE ${name} TO ${owner}, ${user}; ALTER PUBLICATION ${publication} OWNER TO ${owner}; ALTER TABLE a OWNER TO ${user}`,
    );
    expect(await problem()).toContain(`: let a superuser ${added}, because nobody else owns both`);
    await sql(`GRANT ${user} TO ${owner}`);
    expect(await problem()).toContain(`: let ${owner} ${added}`);
    await sql(`ALTER PUBLICATION ${publication} ADD TABLE a`);
    expect(await problem()).toBeNull();
  });

  it('a publication that tells partitions instead of the table is said, because nobody would hear of their changes', async () => {
    await sql(`DROP TABLE a; CREATE TABLE a (id INT PRIMARY KEY) PARTITION BY HASH (id);
      CREATE TABLE a0 PARTITION OF a FOR VALUES WITH (MODULUS 1, REMAINDER 0); GRANT SELECT ON a TO ${user}`);
    await sql(`CREATE PUBLICATION ${slotOf(database.url)} FOR TABLE a`);
    expect(await problem()).toMatch(/tells the partitions .*: ALTER PUBLICATION .* SET \(publish_via_partition_root = true\)$/);
    await expect(reads()).rejects.toThrow('tells the partitions');
    await sql(`ALTER PUBLICATION ${slotOf(database.url)} SET (publish_via_partition_root = true)`);
    expect([await problem(), await reads()]).toEqual([null, true]);
  });

  it('a publication that leaves changes out is said before anything is read', async () => {
    await sql(`CREATE PUBLICATION ${slotOf(database.url)} FOR TABLE a WITH (publish = 'insert')`);
    expect(await problem()).toMatch(
      /leaves changes out: ALTER PUBLICATION .* SET \(publish = 'insert, update, delete, truncate'\)/,
    );
  });
});

function escaped(text: string): string {
  return text.replaceAll(/[()."]/g, '\\$&');
}
