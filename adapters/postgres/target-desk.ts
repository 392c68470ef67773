import type pg from 'pg';
import type { TargetDesk, TargetLetterFilter } from '../../core/ports/target-desk.ts';
import type { TargetLetter } from '../../core/ports/target-store.ts';
import { Conditions, instantColumn, jsonObjectOf, pageOf, readError, reading } from './keyset-query.ts';
import { rowsFrom } from './rows.ts';
import { type GuardRow, guardColumns, guardOf } from './target-store.ts';

type LetterRow = Omit<TargetLetter, 'details'> & { readonly details: string };

const columns = `id, target, entity_id AS "entityId", kind, key, version, code, reason, details::text, status, attempts,
  ${instantColumn('failed_at', '"failedAt"')}`;

export function createTargetDesk(pool: pg.Pool): TargetDesk {
  const rows = rowsFrom(pool, readError);

  return {
    letters(filter, page) {
      const conditions = conditionsOf(filter).after('(failed_at, id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<LetterRow, TargetLetter>(
        pool,
        (limit) => `SELECT ${columns} FROM target_letters ${conditions.where} ORDER BY failed_at DESC, id DESC LIMIT ${limit}`,
        conditions,
        page,
        (row) => ({ ...row, details: jsonObjectOf(row.details) ?? {} }),
        (row) => [row.failedAt, row.id],
      );
    },

    async count(filter) {
      const conditions = conditionsOf(filter);
      const text = `SELECT count(*)::int AS letters FROM target_letters ${conditions.where}`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<{ letters: number }>(text, conditions.values));
      return found.rows[0]!.letters;
    },

    async replay(filter, limit) {
      const conditions = conditionsOf(filter).add('status = ANY(?)', ['parked']);
      const count = conditions.bind(limit);
      const begun = await rows(
        `WITH begun AS (
           UPDATE target_letters SET status = 'replaying', updated_at = now() WHERE id IN (
             SELECT id FROM target_letters ${conditions.where} ORDER BY failed_at LIMIT ${count} FOR UPDATE SKIP LOCKED)
           RETURNING target, entity_id),
         thawed AS (
           UPDATE target_state s SET frozen = FALSE, flips = 0 FROM begun b
           WHERE s.target = b.target AND s.entity_id = b.entity_id AND s.frozen)
         SELECT 1 FROM begun`,
        conditions.values,
      );
      return begun.length;
    },

    async discard(id, by, reason) {
      const gone = await rows(
        `WITH gone AS (
           UPDATE target_letters SET status = 'discarded', updated_at = now(),
             details = details || jsonb_build_object('discardedBy', $2::text, 'discardReason', $3::text)
           WHERE id = $1 AND status IN ('parked', 'replaying') RETURNING target, entity_id, conflict_id),
         closed AS (
           UPDATE conflict_log c SET status = 'skipped', resolution = 'skipped', updated_at = now() FROM gone g
           WHERE c.conflict_id = g.conflict_id),
         thawed AS (
           UPDATE target_state s SET frozen = FALSE, flips = 0 FROM gone g
           WHERE s.target = g.target AND s.entity_id = g.entity_id AND s.frozen)
         SELECT 1 FROM gone`,
        [id, by, reason],
      );
      return gone.length > 0;
    },

    async guards() {
      const found = await rows<GuardRow & { target: string }>(
        `SELECT target, ${guardColumns} FROM target_guard ORDER BY target`,
        [],
      );
      return found.map((row) => ({ target: row.target, ...guardOf(row) }));
    },

    async approve(target, by, untilMs) {
      const approved = await rows(
        `UPDATE target_guard SET state = 'running', reason = NULL, changed = 0, deleted = 0, window_from = now(),
           approved_until = to_timestamp($3 / 1000.0), approved_by = $2
         WHERE target = $1 RETURNING 1`,
        [target, by, untilMs],
      );
      return approved.length > 0;
    },
  };
}

function conditionsOf({ ids, target, status, kind, code, entityId }: TargetLetterFilter): Conditions {
  return new Conditions()
    .add('id = ANY(?)', ids)
    .add('target = ?', target)
    .add('status = ANY(?)', status)
    .add('kind = ?', kind)
    .add('code = ?', code)
    .add('entity_id = ?', entityId);
}
