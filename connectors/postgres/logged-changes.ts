import { SyncError } from '../../core/errors.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import { keyTextOf } from '../../core/key-text.ts';
import type { SourceChange } from '../../core/ports/source-connector.ts';
import { changeOf, deletionOf } from '../tables/row-identity.ts';
import type { LoggedChange } from './logged-rows.ts';
import { type LogicalDatabase, rowsUnder } from './logical-database.ts';
import { orderAt } from './logical-place.ts';
import type { LogicalShape } from './logical-shape.ts';

export interface LogVoice {
  readonly kind: string;
  readonly shape: LogicalShape;
  readonly occurredAt: string | undefined;
}

/** What the log says, as the source tells it. What the log leaves out is asked of the database, once for all changes. */
export async function toldChanges(
  database: LogicalDatabase,
  voice: LogVoice,
  logged: readonly LoggedChange[],
): Promise<SourceChange[]> {
  const { shape } = voice;
  const rows = await presentRows(database, shape, logged);
  await readOddValues(database, shape, logged);
  return logged.flatMap((change) => {
    if (change.key === undefined) return faultOf(voice, change);
    if (!change.isPartial) return [toldChange(voice, change, change.key, change.data)];
    const row = rows.get(change.key);
    // Gone since: the log goes on to say so.
    return row === undefined ? [] : [toldChange(voice, change, change.key, row)];
  });
}

function toldChange(voice: LogVoice, change: LoggedChange, key: string, data: JsonObject | null): SourceChange {
  const { operation, committedAtMs, fault } = change;
  const order = orderAt(change);
  if (operation === 'delete') return deletionOf(voice, key, order, committedAtMs);
  return changeOf(voice, { key, digest: '', data: fault === undefined ? data : null, fault }, operation, order, committedAtMs);
}

/** A row without a key was never told, so its deletion is none. */
function faultOf(voice: LogVoice, change: LoggedChange): SourceChange[] {
  if (change.operation === 'delete') return [];
  const { key, name } = voice.shape;
  const fault = new SyncError('identity.key-missing', `a row of ${name} has an empty key (${key.join(', ')})`);
  const shown = key.map((column) => String(change.keyed[column] ?? '')).join('/');
  return [toldChange(voice, { ...change, fault }, shown, null)];
}

/** Newer than the change perhaps; what made it so follows in the log and comes after it. */
async function presentRows(
  database: LogicalDatabase,
  shape: LogicalShape,
  logged: readonly LoggedChange[],
): Promise<ReadonlyMap<string, JsonObject>> {
  const wanted = new Map(logged.flatMap(({ isPartial, key, keyed }) => (isPartial && key !== undefined ? [[key, keyed]] : [])));
  const rows = await rowsUnder(database, shape, [...wanted.values()], 'all');
  return new Map(rows.map((row) => [keyTextOf(shape.key, row) ?? '', row]));
}

/** Values of types whose JSON only the server knows stand as texts so far. */
async function readOddValues(database: LogicalDatabase, shape: LogicalShape, logged: readonly LoggedChange[]): Promise<void> {
  const odd = shape.columns.filter(({ name }) => shape.cells.get(name)?.kind === 'server');
  for (const { name, type } of odd) {
    const rows = logged.flatMap(({ data, isPartial }) => (data === null || isPartial ? [] : [data]));
    const filled = rows.filter((row) => row[name] !== null && row[name] !== undefined);
    if (filled.length === 0) continue;
    const text = `SELECT to_json(given.value::${type})::text AS value FROM unnest($1::text[]) WITH ORDINALITY AS given(value, n) ORDER BY n`;
    const told = await database.reading(shape.name, (client) =>
      client.query<{ value: string }>(text, [filled.map((row) => row[name])]),
    );
    for (const [at, row] of filled.entries()) row[name] = parseExact(told.rows[at]!.value);
  }
}
