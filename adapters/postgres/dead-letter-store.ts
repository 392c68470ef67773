import type pg from 'pg';
import { refusalBeginning } from '../../core/codec/refusal-message.ts';
import type { DeadLetter } from '../../core/dead-letter.ts';
import { errorCatalogue } from '../../core/errors.ts';
import { type JsonValue, stringifyExact } from '../../core/json.ts';
import type { DeadLetterFilter, DeadLetterRow, DeadLetterStore, ReplayableLetter } from '../../core/ports/dead-letter-store.ts';
import { Conditions, instantColumn, jsonObjectOf, pageOf, readError, reading } from './keyset-query.ts';
import { rowsFrom } from './rows.ts';

type RowText = Omit<DeadLetterRow, 'details'> & { readonly details: string | null };

const columns = `id, raw_topic AS topic, raw_partition AS partition, raw_offset AS "offset", stage, source, kind, key,
  event_id AS "eventId", correlation_id AS "correlationId", code, reason, details::text, status, attempts,
  ${instantColumn('next_attempt_at', '"nextAttemptAt"')}, ${instantColumn('failed_at', '"failedAt"')},
  ${instantColumn('updated_at', '"updatedAt"')}`;
const openStatuses = `('waiting', 'parked', 'replaying')`;
const replayableColumns = 'd.id, d.raw_topic AS topic, d.raw_partition AS partition, d.key, d.body';

export function createDeadLetterStore(pool: pg.Pool): DeadLetterStore {
  const rows = rowsFrom(pool, readError);

  return {
    async record(letters, policy) {
      // One at a time where letters of one batch name each other; few letters are written, so few round trips.
      for (const letter of letters) {
        const retries = errorCatalogue[letter.code]?.treatment === 'retry-record';
        const shared = [
          letter.code,
          storable(letter.reason),
          storableJson(letter.details),
          letter.failedAtMs,
          retries,
          policy.attemptsMax,
        ];
        const delay = [policy.delayMs, policy.delayMsMax];
        const identity = identityOf(letter);
        if (letter.replayOf === null)
          await rows(isRefusal(letter) ? insertRefusalText : insertText, [...shared, ...delay, ...identity]);
        else await rows(failedAgainText, [...shared, ...delay, letter.replayOf]);
      }
    },

    list(filter, page) {
      const conditions = conditionsOf(filter).after('(failed_at, id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<RowText, DeadLetterRow>(
        pool,
        (limit) => `SELECT ${columns} FROM dead_letters ${conditions.where} ORDER BY failed_at DESC, id DESC LIMIT ${limit}`,
        conditions,
        page,
        rowOf,
        (row) => [row.failedAt, row.id],
      );
    },

    async find(id) {
      const [row] = await rows<RowText & { body: Buffer | null }>(`SELECT ${columns}, body FROM dead_letters WHERE id = $1`, [
        id,
      ]);
      return row === undefined ? null : { ...rowOf(row), body: row.body };
    },

    async count(filter) {
      const conditions = conditionsOf(filter);
      const text = `SELECT count(*)::int AS letters FROM dead_letters ${conditions.where}`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<{ letters: number }>(text, conditions.values));
      return found.rows[0]!.letters;
    },

    beginReplay(filter, limit, nextAttemptAtMs) {
      const conditions = conditionsOf(filter).add(`status = ANY(?)`, ['waiting', 'parked', 'replaying']);
      const [at, count] = [conditions.bind(nextAttemptAtMs), conditions.bind(limit)];
      return rows<ReplayableLetter>(beginText(conditions.where, 'attempts, failed_at', at, count), conditions.values);
    },

    beginDue(nowMs, limit, nextAttemptAtMs) {
      const due = `WHERE status IN ('waiting', 'replaying') AND next_attempt_at <= to_timestamp($1 / 1000.0)`;
      return rows<ReplayableLetter>(beginText(due, 'next_attempt_at', '$2', '$3'), [nowMs, nextAttemptAtMs, limit]);
    },

    async discard(id, by, reason, atMs) {
      const discarded = { discarded: { by, reason: storable(reason), at: new Date(atMs).toISOString() } };
      const found = await rows(
        `UPDATE dead_letters SET status = 'discarded', next_attempt_at = NULL, updated_at = now(), details = details || $2::jsonb
         WHERE id = $1 AND status IN ${openStatuses} RETURNING id`,
        [id, JSON.stringify(discarded)],
      );
      return found.length > 0;
    },
  };
}

/** $5: the code is one that may heal by itself; $6: how often; $7, $8: the delay and its bound. `n` is the attempts so far. */
function statusAfter(n: string): string {
  return `CASE WHEN $5::boolean AND ${n} < $6::int THEN 'waiting' ELSE 'parked' END`;
}

function nextAttemptAfter(n: string): string {
  return `CASE WHEN $5::boolean AND ${n} < $6::int
    THEN to_timestamp($4::float8 / 1000) + make_interval(secs => least($8::float8, $7::float8 * 2.0 ^ least(${n}, 30)) / 1000) END`;
}

const insertBeginning = `INSERT INTO dead_letters (code, reason, details, failed_at, status, next_attempt_at, id, raw_topic, raw_partition,
    raw_offset, stage, source, kind, key, event_id, correlation_id, body)
  SELECT $1::text, $2::text, $3::jsonb, to_timestamp($4::float8 / 1000), ${statusAfter('0')}, ${nextAttemptAfter('0')},
    $9::uuid, $10::text, $11::int, $12::bigint, $13, $14::text, $15::text, $16::text, $17, $18, $19::bytea`;

const insertText = `${insertBeginning} ON CONFLICT DO NOTHING`;

/** Other open letters of the same record. */
const openRefusal = `d.source = $14 AND d.kind = $15 AND hashtext(d.key) = hashtext($16) AND d.key = $16 AND d.status IN ${openStatuses}
  AND d.raw_topic = $10 AND d.raw_offset <> $12::bigint AND substring(d.body FROM 1 FOR ${refusalBeginning.length}) = '${refusalBeginning}'::bytea`;

/**
 * What a source refuses is refused at every reading. As long as the same is wrong with it, the letter that lies there is
 * its letter; when something else is, a new one takes its place.
 */
const insertRefusalText = `WITH inserted AS (${insertBeginning}
    WHERE NOT EXISTS (SELECT FROM dead_letters d WHERE ${openRefusal} AND (d.raw_offset > $12::bigint OR d.code = $1))
    ON CONFLICT DO NOTHING RETURNING id),
  still AS (UPDATE dead_letters d SET reason = $2, details = $3::jsonb, updated_at = now()
    WHERE ${openRefusal} AND d.raw_offset < $12::bigint AND d.code = $1)
  UPDATE dead_letters d SET status = 'superseded', next_attempt_at = NULL, updated_at = now() FROM inserted
  WHERE ${openRefusal} AND d.code <> $1`;

const failedAgainText = `UPDATE dead_letters SET code = $1, reason = $2, details = $3::jsonb, updated_at = now(),
    status = ${statusAfter('attempts')}, next_attempt_at = ${nextAttemptAfter('attempts')}
  WHERE id = $9::uuid AND status = 'replaying'`;

function beginText(where: string, order: string, nextAttemptAtMs: string, limit: string): string {
  return `UPDATE dead_letters d SET status = 'replaying', attempts = attempts + 1, updated_at = now(),
      next_attempt_at = to_timestamp(${nextAttemptAtMs}::float8 / 1000)
    FROM (SELECT id AS due FROM dead_letters ${where} ORDER BY ${order}, id LIMIT ${limit} FOR UPDATE SKIP LOCKED) AS chosen
    WHERE d.id = chosen.due RETURNING ${replayableColumns}`;
}

function conditionsOf(filter: DeadLetterFilter): Conditions {
  return new Conditions()
    .add('id = ANY(?::uuid[])', filter.ids)
    .add('status = ANY(?::text[])', filter.status)
    .add('source = ?', filter.source)
    .add('kind = ?', filter.kind)
    .add('code = ?', filter.code);
}

function identityOf(letter: DeadLetter): unknown[] {
  const { origin } = letter;
  return [
    letter.id,
    origin.topic,
    origin.partition,
    origin.offset,
    letter.stage,
    letter.source,
    letter.kind,
    letter.key === null ? null : storable(letter.key),
    letter.eventId === null ? null : storable(letter.eventId),
    letter.correlationId === null ? null : storable(letter.correlationId),
    letter.body === null ? null : Buffer.from(letter.body, 'base64'),
  ];
}

function rowOf(row: RowText): DeadLetterRow {
  const { details, ...rest } = row;
  return { ...rest, details: jsonObjectOf(details) ?? {} };
}

function isRefusal({ key, body }: DeadLetter): boolean {
  if (key === null || body === null) return false;
  return Buffer.from(body, 'base64').subarray(0, refusalBeginning.length).toString('latin1') === refusalBeginning;
}

/** A dead letter often holds exactly the text PostgreSQL refuses; its bytes stay whole in the body. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

function storableJson(details: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(JSON.parse(stringifyExact(details as JsonValue)), (_name, value: unknown) =>
    typeof value === 'string' ? storable(value) : value,
  );
}
