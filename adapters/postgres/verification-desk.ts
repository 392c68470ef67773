import type pg from 'pg';
import type {
  FindingView,
  PartView,
  RepairItemView,
  RepairView,
  VerificationDesk,
  VerificationView,
  VerifiedThrough,
} from '../../core/ports/verification-desk.ts';
import { repairOutcomes } from '../../core/verify/repair-plan.ts';
import { Conditions, instantColumn, pageOf, readError } from './keyset-query.ts';

/** So many may wait: more of them would tell nobody anything new. */
const waitingMax = 20;

const verificationColumns = `id, state, systems, kinds, settle_ms AS "settleMs", asked_by AS "askedBy",
  (SELECT coalesce(sum(records), 0)::bigint FROM verification_parts p WHERE p.verification_id = v.id) AS records,
  (SELECT coalesce(sum(findings), 0)::bigint FROM verification_parts p WHERE p.verification_id = v.id) AS findings,
  (SELECT coalesce(sum(moving), 0)::bigint FROM verification_parts p WHERE p.verification_id = v.id) AS moving,
  ${instantColumn('created_at', '"createdAt"')}, ${instantColumn('started_at', '"startedAt"')}, ${instantColumn('ended_at', '"endedAt"')}`;

const repairColumns = `id, verification_id AS "verificationId", state, dry_run AS "dryRun", delete_unknown AS "deleteUnknown",
  asked_by AS "askedBy", reason, (SELECT coalesce(jsonb_object_agg(outcome, items), '{}') FROM
    (SELECT outcome, count(*) AS items FROM repair_items i WHERE i.repair_id = r.id GROUP BY outcome) AS counted) AS outcomes,
  ${instantColumn('created_at', '"createdAt"')}, ${instantColumn('ended_at', '"endedAt"')}`;

export function createVerificationDesk(pool: pg.Pool): VerificationDesk {
  async function rows<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    try {
      return (await pool.query<R>(text, values)).rows;
    } catch (error) {
      throw readError(error);
    }
  }

  return {
    async request({ systems, kinds, settleMs, askedBy }) {
      const [asked] = await rows<{ id: string }>(
        `INSERT INTO verifications (systems, kinds, settle_ms, asked_by) SELECT $1::text[], $2::text[], $3, $4
         WHERE (SELECT count(*) FROM verifications WHERE state = 'waiting') < ${waitingMax} RETURNING id`,
        [systems, kinds, settleMs, askedBy],
      );
      return asked?.id ?? null;
    },

    list: (page) => {
      const conditions = new Conditions().after('(created_at, id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<VerificationView & pg.QueryResultRow, VerificationView>(
        pool,
        (limit) =>
          `SELECT ${verificationColumns} FROM verifications v ${conditions.where} ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
        conditions,
        page,
        (row) => row,
        (row) => [row.createdAt, row.id],
      );
    },

    async show(id) {
      const [verification] = await rows<VerificationView & pg.QueryResultRow>(
        `SELECT ${verificationColumns} FROM verifications v WHERE id = $1`,
        [id],
      );
      if (verification === undefined) return null;
      const parts = await rows<PartView & pg.QueryResultRow>(
        `SELECT system, kind, state, records, findings, moving, reason, ${instantColumn('started_at', '"startedAt"')},
           ${instantColumn('ended_at', '"endedAt"')} FROM verification_parts WHERE verification_id = $1 ORDER BY place`,
        [id],
      );
      return { verification, parts };
    },

    async latest() {
      const [latest] = await rows<{ id: string }>(
        `SELECT id FROM verifications WHERE state IN ('equal', 'differs', 'failed') ORDER BY created_at DESC LIMIT 1`,
      );
      return latest?.id ?? null;
    },

    findings: (id, { system, kind, finding, state }, page) => {
      const conditions = new Conditions()
        .add('verification_id = ?', id)
        .add('system = ?', system)
        .add('kind = ?', kind)
        .add('finding = ?', finding)
        .add('state = ?', state)
        .after('seq > ?::bigint', page);
      return pageOf<FindingView & pg.QueryResultRow, FindingView>(
        pool,
        (limit) =>
          `SELECT seq, system, kind, state, finding, entity_id AS "entityId", key, fields, reason, ${instantColumn('seen_at', '"seenAt"')}
           FROM verification_findings ${conditions.where} ORDER BY seq LIMIT ${limit}`,
        conditions,
        page,
        (row) => row,
        (row) => [String(row.seq)],
      );
    },

    async cancel(id, by) {
      const cancelled = await rows(
        `UPDATE verifications SET cancelled_by = $2, state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END,
           ended_at = CASE WHEN state = 'waiting' THEN now() END
         WHERE id = $1 AND state IN ('waiting', 'running') RETURNING 1`,
        [id, by],
      );
      return cancelled.length > 0;
    },

    through: () =>
      rows<VerifiedThrough & pg.QueryResultRow>(
        `SELECT system, kind, ${instantColumn('through', 'through')}, findings, moving, ${instantColumn('checked_at', '"checkedAt"')}
         FROM verified_through ORDER BY system, kind`,
      ),

    async requestRepair({ verificationId, dryRun, deleteUnknown, askedBy }) {
      const [asked] = await rows<{ id: string }>(
        `INSERT INTO repairs (verification_id, dry_run, delete_unknown, asked_by) SELECT $1::uuid, $2, $3, $4
         WHERE (SELECT count(*) FROM repairs WHERE state = 'waiting') < ${waitingMax} RETURNING id`,
        [verificationId, dryRun, deleteUnknown, askedBy],
      );
      return asked?.id ?? null;
    },

    repairs: (page) => {
      const conditions = new Conditions().after('(created_at, id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<RepairView & pg.QueryResultRow, RepairView>(
        pool,
        (limit) => `SELECT ${repairColumns} FROM repairs r ${conditions.where} ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
        conditions,
        page,
        repairOf,
        (row) => [row.createdAt, row.id],
      );
    },

    async repair(id) {
      const [row] = await rows<RepairView & pg.QueryResultRow>(`SELECT ${repairColumns} FROM repairs r WHERE id = $1`, [id]);
      return row === undefined ? null : repairOf(row);
    },

    repairItems: (id, page) => {
      const conditions = new Conditions().add('repair_id = ?', id).after('seq > ?::bigint', page);
      return pageOf<RepairItemView & pg.QueryResultRow, RepairItemView>(
        pool,
        (limit) =>
          `SELECT seq, system, kind, entity_id AS "entityId", key, finding, fields, action, outcome, reason
           FROM repair_items ${conditions.where} ORDER BY seq LIMIT ${limit}`,
        conditions,
        page,
        (row) => row,
        (row) => [String(row.seq)],
      );
    },
  };
}

function repairOf(row: RepairView): RepairView {
  const none = Object.fromEntries(repairOutcomes.map((outcome) => [outcome, 0])) as RepairView['outcomes'];
  return { ...row, outcomes: { ...none, ...row.outcomes } };
}
