import { hash } from 'node:crypto';
import type pg from 'pg';
import { oncePerLetter, type RefusedChange } from '../../core/refused-change.ts';

/** Takes `refusedValues` as its parameters from `first` on; `where` says under which condition. */
export function insertRefused(first: number, where: string): string {
  const parameters = ['uuid', 'text', 'int', 'text', 'text'].map((type, index) => `$${first + index}::${type}[]`);
  return `INSERT INTO refused_changes AS r (letter_id, topic, partition, key_hash, position)
    SELECT l, t, p, k, o FROM unnest(${parameters.join(', ')}) AS x(l, t, p, k, o) ${where}
    ON CONFLICT (letter_id) DO UPDATE SET position = coalesce(excluded.position, r.position)`;
}

export function refusedValues(refused: readonly RefusedChange[]): unknown[][] {
  const rows = oncePerLetter(refused);
  return [
    rows.map((row) => row.letterId),
    rows.map((row) => row.topic),
    rows.map((row) => row.partition),
    rows.map((row) => keyHashOf(row.key)),
    rows.map((row) => row.position),
  ];
}

/** Called in the transaction that settles the records, so that whoever sees them settled sees these. */
export async function keepRefused(client: pg.PoolClient, refused: readonly RefusedChange[]): Promise<void> {
  await client.query(insertRefused(1, ''), refusedValues(refused));
}

const mayBeReplayed = `(d.id IS NULL OR d.status IN ('waiting', 'parked', 'replaying') OR (d.status = 'discarded' AND d.attempts > 0))`;

/** Whether a refused change of its key is newer than claim `c`, of the raw partition in parameter `first` and the one after it. */
export function newerRefused(first: number): string {
  return `EXISTS (SELECT FROM refused_changes r LEFT JOIN dead_letters d ON d.id = r.letter_id
    WHERE r.topic = $${first} AND r.partition = $${first + 1} AND r.key_hash = c.key_hash
      AND (r.position > c.position OR (r.position IS NULL AND ${mayBeReplayed})))`;
}

export function keyHashOf(key: string): string {
  return hash('sha256', key, 'hex');
}
