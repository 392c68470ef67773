import type pg from 'pg';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { PartName } from '../../core/ports/verification-ledger.ts';
import type { RepairItem, RepairLedger, RepairRun, TargetBeliefs } from '../../core/ports/verification-repairs.ts';
import { type Suspect, subjectText } from '../../core/verify/finding.ts';
import { unavailable } from './pool.ts';
import { inTransaction } from './verification-ledger.ts';

/** Of a row that nobody meant: no row has this checksum. */
const nothingMeant = '0'.repeat(64);

const ours = `SELECT FROM repairs WHERE id = $1 AND token = $2 AND state = 'running' FOR SHARE`;
const itemColumns = 'system, kind, key, entity_id AS "entityId", finding, fields, action, outcome, reason';

type FoundRow = PartName &
  Omit<Suspect, 'finding'> & { finding: Suspect['finding']['kind']; fields: string[]; reason: string | null };

export function createRepairLedger(pool: pg.Pool): RepairLedger {
  async function rows<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    try {
      return (await pool.query<R>(text, values)).rows;
    } catch (error) {
      throw unavailable(error);
    }
  }

  return {
    async takeUp() {
      const [run] = await rows<RepairRun>(
        `UPDATE repairs r SET state = 'running', token = r.token + 1 FROM verifications v
         WHERE v.id = r.verification_id
           AND r.id = (SELECT id FROM repairs WHERE state IN ('waiting', 'running') ORDER BY created_at LIMIT 1)
         RETURNING r.id, r.token, r.verification_id AS "verificationId", r.dry_run AS "dryRun", r.delete_unknown AS "deleteUnknown",
           v.settle_ms AS "settleMs"`,
      );
      return run ?? null;
    },

    async unplanned(run, limit) {
      const found = await rows<FoundRow>(
        `SELECT f.system, f.kind, f.key, f.entity_id AS "entityId", f.finding, f.fields, f.reason, f.here, f.there
         FROM verification_findings f LEFT JOIN repair_items i
           ON i.repair_id = $1 AND i.system = f.system AND i.kind = f.kind AND i.subject = f.subject
         WHERE f.verification_id = $2 AND f.state = 'found' AND i.subject IS NULL ORDER BY f.seq LIMIT $3`,
        [run.id, run.verificationId, limit],
      );
      return found.map(({ finding, fields, reason, ...row }) => ({ ...row, finding: { kind: finding, fields, reason } }));
    },

    plan: (run, items) =>
      inTransaction(pool, async (client) => {
        if ((await client.query(ours, [run.id, run.token])).rowCount === 0) return false;
        await client.query(
          `INSERT INTO repair_items (repair_id, system, kind, subject, key, entity_id, finding, fields, action, outcome, reason)
           SELECT $1, r.system, r.kind, r.subject, r.key, r."entityId", r.finding, ARRAY(SELECT jsonb_array_elements_text(r.fields)),
             r.action, r.outcome, left(r.reason, 2000)
           FROM jsonb_to_recordset($2::jsonb) AS r(system text, kind text, subject text, key text, "entityId" text, finding text,
             fields jsonb, action text, outcome text, reason text)
           ON CONFLICT (repair_id, system, kind, subject) DO NOTHING`,
          [run.id, textOf(items)],
        );
        return true;
      }),

    items: (run, outcome, limit) =>
      rows<RepairItem & pg.QueryResultRow>(
        `SELECT ${itemColumns} FROM repair_items WHERE repair_id = $1 AND outcome = $2 ORDER BY seq LIMIT $3`,
        [run.id, outcome, limit],
      ),

    settle: (run, items) =>
      inTransaction(pool, async (client) => {
        if ((await client.query(ours, [run.id, run.token])).rowCount === 0) return false;
        await client.query(
          `UPDATE repair_items i SET outcome = r.outcome, reason = left(r.reason, 2000)
           FROM jsonb_to_recordset($2::jsonb) AS r(system text, kind text, subject text, outcome text, reason text)
           WHERE i.repair_id = $1 AND i.system = r.system AND i.kind = r.kind AND i.subject = r.subject`,
          [run.id, textOf(items)],
        );
        return true;
      }),

    async end(run, state, reason) {
      await rows(`UPDATE repairs SET state = $3, reason = left($4, 2000), ended_at = now() WHERE id = $1 AND token = $2`, [
        run.id,
        run.token,
        state,
        reason,
      ]);
    },
  };
}

export function createTargetBeliefs(pool: pg.Pool): TargetBeliefs {
  return {
    found: (target, entityId, before, checksum) =>
      inTransaction(pool, async (client) => {
        const { rowCount } = await client.query(
          `UPDATE target_state SET intended = $6, checksum = $7, updated_at = now()
           WHERE target = $1 AND entity_id = $2 AND version = $3 AND intended IS NOT DISTINCT FROM $4 AND checksum IS NOT DISTINCT FROM $5`,
          [target, entityId, before.version, before.intended, before.checksum, nothingMeant, checksum],
        );
        const more = (checksum === null ? 0 : 1) - (before.checksum === null ? 0 : 1);
        // Its guard counts the records there that we know.
        if (rowCount === 0 || more === 0) return;
        await client.query('UPDATE target_guard SET known = greatest(known + $2, 0) WHERE target = $1', [target, more]);
      }),
  };
}

function textOf(items: readonly RepairItem[]): string {
  const rows = items.map((item): JsonObject => ({ ...(item as unknown as JsonObject), subject: subjectText(item) }));
  return JSON.stringify(rows as JsonValue).replaceAll('\\u0000', '\\ufffd');
}
