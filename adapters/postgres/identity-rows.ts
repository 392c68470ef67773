import type pg from 'pg';
import type { EntityId } from '../../core/change-event.ts';
import { type Binding, type BindingTurn, type RecordName, recordNameOf } from '../../core/identity/binding.ts';
import type { BookPages, MatchKeyRow, PageChanges } from '../../core/identity/book-pages.ts';
import type { JsonValue } from '../../core/json.ts';
import { stringifyExact } from '../../core/json.ts';
import type { BindRequest } from '../../core/ports/identity-store.ts';
import { advisoryLocks } from './advisory-locks.ts';

type Client = Pick<pg.PoolClient, 'query'>;
type BindingRecord = Omit<Binding, 'awaiting'> & { readonly awaiting: readonly string[] };

export const bindingColumns = `b.source, b.kind, b.key, b.entity_id AS "entityId", b.tenure, b.since_offset AS "sinceOffset",
  b.seen_offset AS "seenOffset", b.position, b.match_keys AS "matchKeys", b.gone, b.contested, b.awaiting::text[]`;
const turnColumns = `l.source, l.kind, l.key, l.raw_offset AS offset, l.reason, l.entity_id AS "entityId", l.previous,
  l.previous_tenure AS "previousTenure", l.match_key AS "matchKey", l.held_by AS "heldBy", l.linked_by AS by, l.event_id AS "eventId"`;
const namedRecords = 'unnest($1::text[], $2::text[], $3::text[]) AS r(source, kind, key)';

/** Until the transaction ends. Whoever decides about bindings of the kind holds it. */
export async function lockKind(client: Client, kind: string): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [advisoryLocks.identity, kind]);
}

export async function bindingsOf(client: Client, records: readonly RecordName[]): Promise<Binding[]> {
  const { rows } = await client.query<BindingRecord>({
    name: 'identity-bindings',
    text: `SELECT ${bindingColumns} FROM entity_bindings b JOIN ${namedRecords} USING (source, kind, key)`,
    values: namesOf(records),
  });
  return rows.map(bindingOf);
}

/** Everything that decides about these requests. Returns the names of the records that are bound already. */
export async function loadPages(
  client: Client,
  pages: BookPages,
  requests: readonly BindRequest[],
): Promise<ReadonlySet<string>> {
  const own = await bindingsOf(client, requests);
  const matchKeys = new Set<string>();
  const names = new Set<EntityId>();
  const entities = new Set<EntityId>(own.map(({ entityId }) => entityId));
  for (const binding of own) for (const matchKey of binding.matchKeys ?? []) matchKeys.add(matchKey);
  for (const request of requests) {
    if (request.type === 'relink') entities.add(request.to);
    if (request.type !== 'change') continue;
    for (const matchKey of request.matchKeys ?? []) matchKeys.add(matchKey);
    for (const name of request.names) names.add(name);
  }
  const kinds = [...new Set(requests.map(({ kind }) => kind))];
  const holders = await holdersOf(client, kinds, [...matchKeys]);
  for (const { entityId } of holders) entities.add(entityId!);
  const everywhere = [...new Set([...entities, ...names])];
  const there = await client.query<BindingRecord>({
    name: 'identity-there',
    text: `SELECT ${bindingColumns} FROM entity_bindings b WHERE b.kind = ANY($1) AND b.entity_id = ANY($2)`,
    values: [kinds, everywhere],
  });
  const turns = await client.query<BindingTurn>({
    name: 'identity-turns',
    text: `SELECT ${turnColumns} FROM entity_links l JOIN ${namedRecords} USING (source, kind, key)`,
    values: namesOf(requests),
  });
  const leaving = await client.query<BindingTurn>({
    name: 'identity-leaving',
    text: `SELECT ${turnColumns} FROM entity_links l WHERE NOT l.landed AND l.previous = ANY($1)`,
    values: [everywhere],
  });
  const taken = await client.query<{ name: EntityId }>({
    name: 'identity-taken',
    text: `SELECT n AS name FROM unnest($1::text[]) AS n WHERE EXISTS (SELECT FROM entity_links l WHERE l.entity_id = n)
             OR EXISTS (SELECT FROM entity_links l WHERE l.previous = n)`,
    values: [[...names]],
  });
  pages.load([...own, ...there.rows.map(bindingOf)], holders, turns.rows);
  pages.loadLeaving(leaving.rows);
  pages.loadTaken(taken.rows.map(({ name }) => name));
  return new Set(own.map(recordNameOf));
}

async function holdersOf(client: Client, kinds: readonly string[], matchKeys: readonly string[]): Promise<MatchKeyRow[]> {
  const { rows } = await client.query<MatchKeyRow>({
    name: 'identity-holders',
    text: `SELECT kind, match_key AS "matchKey", entity_id AS "entityId" FROM match_keys WHERE kind = ANY($1) AND match_key = ANY($2)`,
    values: [kinds, matchKeys],
  });
  return rows;
}

export async function writePages(
  client: Client,
  { bindings, matchKeys, turns, landed }: PageChanges,
  known: ReadonlySet<string>,
): Promise<void> {
  const fresh = bindings.filter((binding) => !known.has(recordNameOf(binding)));
  const moved = bindings.filter((binding) => known.has(recordNameOf(binding)));
  if (fresh.length > 0) {
    await client.query(
      `INSERT INTO entity_bindings (source, kind, key, entity_id, tenure, since_offset, seen_offset, position, match_keys, gone,
         contested, awaiting)
       SELECT source, kind, key, "entityId", tenure, "sinceOffset", "seenOffset", position, "matchKeys", gone, contested, awaiting
       FROM ${bindingRecords}`,
      [json(fresh)],
    );
  }
  if (moved.length > 0) {
    await client.query(
      `UPDATE entity_bindings b SET entity_id = r."entityId", tenure = r.tenure, since_offset = r."sinceOffset",
         seen_offset = r."seenOffset", position = r.position, match_keys = r."matchKeys", gone = r.gone, contested = r.contested,
         awaiting = r.awaiting
       FROM ${bindingRecords} WHERE b.source = r.source AND b.kind = r.kind AND b.key = r.key`,
      [json(moved)],
    );
  }
  if (matchKeys.length > 0) await writeHolders(client, matchKeys);
  if (turns.length > 0) {
    await client.query(
      `INSERT INTO entity_links (source, kind, key, raw_offset, reason, entity_id, previous, previous_tenure, match_key, held_by,
         linked_by, event_id, landed)
       SELECT source, kind, key, "offset", reason, "entityId", previous, "previousTenure", "matchKey", "heldBy", "by", "eventId",
         reason IN ('conflict', 'returned')
       FROM jsonb_to_recordset($1) AS r(source TEXT, kind TEXT, key TEXT, "offset" BIGINT, reason TEXT, "entityId" TEXT, previous TEXT,
         "previousTenure" INTEGER, "matchKey" TEXT, "heldBy" TEXT, "by" TEXT, "eventId" UUID)`,
      [json(turns)],
    );
  }
  if (landed.length > 0) {
    await client.query(
      `UPDATE entity_links l SET landed = TRUE
       FROM jsonb_to_recordset($1) AS r(source TEXT, kind TEXT, key TEXT, "offset" BIGINT)
       WHERE l.source = r.source AND l.kind = r.kind AND l.key = r.key AND l.raw_offset = r."offset"`,
      [json(landed)],
    );
  }
}

const bindingRecords = `jsonb_to_recordset($1) AS r(source TEXT, kind TEXT, key TEXT, "entityId" TEXT, tenure INTEGER,
  "sinceOffset" BIGINT, "seenOffset" BIGINT, position TEXT, "matchKeys" TEXT[], gone BOOLEAN, contested BOOLEAN, awaiting BIGINT[])`;

async function writeHolders(client: Client, rows: readonly MatchKeyRow[]): Promise<void> {
  const freed = rows.filter(({ entityId }) => entityId === null);
  const held = rows.filter(({ entityId }) => entityId !== null);
  const columns = (of: readonly MatchKeyRow[]) => [of.map(({ kind }) => kind), of.map(({ matchKey }) => matchKey)];
  if (freed.length > 0) {
    await client.query(
      'DELETE FROM match_keys m USING unnest($1::text[], $2::text[]) AS r(kind, key) WHERE m.kind = r.kind AND m.match_key = r.key',
      columns(freed),
    );
  }
  if (held.length > 0) {
    await client.query(
      `INSERT INTO match_keys (kind, match_key, entity_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
       ON CONFLICT (kind, match_key) DO UPDATE SET entity_id = excluded.entity_id`,
      [...columns(held), held.map(({ entityId }) => entityId)],
    );
  }
}

export function bindingOf(row: BindingRecord): Binding {
  return { ...row, awaiting: row.awaiting.map(Number) };
}

function namesOf(records: readonly RecordName[]): string[][] {
  const distinct = [...new Map(records.map((record) => [recordNameOf(record), record])).values()];
  return [distinct.map(({ source }) => source), distinct.map(({ kind }) => kind), distinct.map(({ key }) => key)];
}

function json(rows: readonly object[]): string {
  return stringifyExact(rows as unknown as JsonValue);
}
