import type pg from 'pg';
import type { ConflictField } from '../../core/conflict/conflict.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { WaitingConflict, WebhookStore } from '../../core/ports/webhook-store.ts';
import { instantColumn, jsonObjectOf } from './keyset-query.ts';
import { unavailable } from './pool.ts';
import { rowsFrom } from './rows.ts';

interface WaitingRow {
  readonly conflictId: string;
  readonly entityId: string;
  readonly kind: string;
  readonly conflictType: string;
  readonly details: string;
  readonly attempt: number;
  readonly updatedAt: string;
}

const reasonCharactersMax = 1_000;
const isWaiting = `status = 'open' AND resolution = 'webhook'`;
const updatedAtText = instantColumn('updated_at', '"updatedAt"');

export function createWebhookStore(pool: pg.Pool): WebhookStore {
  const rows = rowsFrom(pool, unavailable);
  const setDue = (conflictId: string, due: string, values: readonly unknown[], more = '') =>
    rows(`UPDATE conflict_log SET webhook_due_at = ${due}${more} WHERE conflict_id = $1`, [conflictId, ...values]);

  return {
    async claim(limit, leaseMs) {
      const claimed = await rows<WaitingRow>(
        `UPDATE conflict_log SET webhook_due_at = now() + $2 * interval '1 millisecond', webhook_attempts = webhook_attempts + 1
         WHERE conflict_id IN (
           SELECT conflict_id FROM conflict_log WHERE ${isWaiting} AND webhook_due_at <= now()
           ORDER BY webhook_due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING conflict_id AS "conflictId", entity_id AS "entityId", coalesce(kind, split_part(entity_id, ':', 1)) AS kind,
           conflict_type AS "conflictType", details::text, webhook_attempts AS attempt, ${updatedAtText}`,
        [limit, leaseMs],
      );
      return claimed.map(({ details, ...row }): WaitingConflict => ({ ...row, fields: fieldsOf(jsonObjectOf(details)) }));
    },

    async isUnmoved({ conflictId, updatedAt }) {
      const text = `SELECT 1 FROM conflict_log WHERE conflict_id = $1 AND ${isWaiting} AND updated_at = $2::timestamptz`;
      return (await rows(text, [conflictId, updatedAt])).length > 0;
    },

    async postpone(conflictId, delayMs, reason) {
      const due = `now() + $2 * interval '1 millisecond'`;
      await setDue(conflictId, due, [delayMs, reason.slice(0, reasonCharactersMax)], ', webhook_error = $3');
    },

    async giveBack(conflictId, delayMs) {
      const due = `now() + $2 * interval '1 millisecond'`;
      await setDue(conflictId, due, [delayMs], ', webhook_attempts = greatest(webhook_attempts - 1, 0)');
    },

    async settle(conflictId, reason) {
      await setDue(conflictId, `'infinity'`, [reason?.slice(0, reasonCharactersMax) ?? null], ', webhook_error = $2');
    },
  };
}

/** The conflict engine alone writes these details. */
function fieldsOf(details: JsonObject | null): Record<string, ConflictField> {
  const fields = details?.fields;
  return isJsonObject(fields) ? (fields as unknown as Record<string, ConflictField>) : {};
}
