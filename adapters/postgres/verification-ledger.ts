import type pg from 'pg';
import { type JsonObject, stringifyExact } from '../../core/json.ts';
import type {
  ChunkOutcome,
  Concluded,
  KeptSuspect,
  PartName,
  VerificationLedger,
  VerificationPart,
  VerificationRun,
} from '../../core/ports/verification-ledger.ts';
import type { Sighting } from '../../core/verify/finding.ts';
import { subjectText } from '../../core/verify/finding.ts';
import { jsonObjectOf } from './keyset-query.ts';
import { faultOf, unavailable } from './pool.ts';

const runsKept = 50;
const open = `('waiting', 'running')`;

/** Counts as ours as long as nobody has taken it up after us, and nobody has cancelled it. */
const ours = `SELECT FROM verifications WHERE id = $1 AND token = $2 AND state = 'running' AND cancelled_by IS NULL FOR SHARE`;

export function createVerificationLedger(pool: pg.Pool): VerificationLedger {
  return {
    async takeUp() {
      const { rows } = await answered(() =>
        pool.query<VerificationRun>(
          `UPDATE verifications SET state = 'running', token = token + 1, started_at = coalesce(started_at, now())
           WHERE id = (SELECT id FROM verifications WHERE state IN ${open} ORDER BY created_at LIMIT 1)
           RETURNING id, token, systems, kinds, settle_ms AS "settleMs"`,
        ),
      );
      return rows[0] ?? null;
    },

    async parts(run, names) {
      await answered(() =>
        pool.query(
          `INSERT INTO verification_parts (verification_id, place, system, kind)
           SELECT $1, n, s, k FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS p(s, k, n)
           WHERE NOT EXISTS (SELECT FROM verification_parts WHERE verification_id = $1)`,
          [run.id, names.map(({ system }) => system), names.map(({ kind }) => kind)],
        ),
      );
      const { rows } = await answered(() =>
        pool.query<Omit<VerificationPart, 'after'> & { after: string | null }>(
          `SELECT system, kind, state, pass, after::text, findings, moving FROM verification_parts WHERE verification_id = $1 ORDER BY place`,
          [run.id],
        ),
      );
      // A key may have more digits than a double.
      return rows.map((row) => ({ ...row, after: jsonObjectOf(row.after) }));
    },

    async begin(run, { system, kind }) {
      const { rowCount } = await answered(() =>
        pool.query(
          `UPDATE verification_parts SET state = 'running', started_at = coalesce(started_at, now())
           WHERE verification_id = $1 AND system = $3 AND kind = $4 AND EXISTS (${ours})`,
          [run.id, run.token, system, kind],
        ),
      );
      return rowCount === 1;
    },

    keep: (run, part, chunk) => inTransaction(pool, (client) => keepChunk(client, run, part, chunk)),

    async suspects(run, { system, kind }, round, limit) {
      const { rows } = await answered(() =>
        pool.query<
          Omit<KeptSuspect, 'finding'> & { finding: KeptSuspect['finding']['kind']; fields: string[]; reason: string | null }
        >(
          `SELECT key, entity_id AS "entityId", finding, fields, reason, here, there, round FROM verification_findings
           WHERE verification_id = $1 AND system = $2 AND kind = $3 AND state = 'suspected' AND round = $4 ORDER BY seq LIMIT $5`,
          [run.id, system, kind, round, limit],
        ),
      );
      return rows.map(({ finding, fields, reason, ...row }) => ({ ...row, finding: { kind: finding, fields, reason } }));
    },

    async conclude(run, part, concluded) {
      const kept = await inTransaction(pool, (client) => concludeAll(client, run, part, concluded));
      return kept ?? false;
    },

    async endPart(run, { system, kind }, state, reason) {
      await inTransaction(pool, async (client) => {
        const { rows } = await client.query<{ state: string }>(
          `UPDATE verification_parts p SET ended_at = now(), reason = $6, findings = f.found, moving = f.moving,
             state = CASE WHEN $5 = 'equal' AND f.found > 0 THEN 'differs' ELSE $5 END
           FROM (SELECT count(*) FILTER (WHERE state = 'found') AS found, count(*) FILTER (WHERE state = 'moving') AS moving
                 FROM verification_findings WHERE verification_id = $1 AND system = $3 AND kind = $4) AS f
           WHERE p.verification_id = $1 AND p.system = $3 AND p.kind = $4
             AND EXISTS (SELECT FROM verifications WHERE id = $1 AND token = $2)
           RETURNING p.state`,
          [run.id, run.token, system, kind, state, reason],
        );
        const ended = rows[0]?.state;
        if (ended !== 'equal' && ended !== 'differs') return;
        await client.query(
          `INSERT INTO verified_through AS v (system, kind, through, findings, moving, checked_at)
           SELECT system, kind, CASE WHEN findings = 0 AND moving = 0 AND reason IS NULL THEN started_at END, findings, moving, started_at
           FROM verification_parts WHERE verification_id = $1 AND system = $2 AND kind = $3
           ON CONFLICT (system, kind) DO UPDATE SET through = coalesce(excluded.through, v.through),
             findings = excluded.findings, moving = excluded.moving, checked_at = excluded.checked_at`,
          [run.id, system, kind],
        );
      });
    },

    async end(run) {
      await answered(() =>
        pool.query(
          `UPDATE verifications v SET ended_at = now(), state = CASE
             WHEN v.cancelled_by IS NOT NULL THEN 'cancelled'
             WHEN p.failed THEN 'failed' WHEN p.differs THEN 'differs' ELSE 'equal' END
           FROM (SELECT coalesce(bool_or(state = 'failed'), FALSE) AS failed, coalesce(bool_or(state = 'differs'), FALSE) AS differs
                 FROM verification_parts WHERE verification_id = $1) AS p
           WHERE v.id = $1 AND v.token = $2`,
          [run.id, run.token],
        ),
      );
      await answered(() =>
        pool.query(
          `UPDATE verification_parts SET state = 'cancelled', ended_at = now() WHERE verification_id = $1 AND state IN ${open}
             AND EXISTS (SELECT FROM verifications WHERE id = $1 AND state = 'cancelled')`,
          [run.id],
        ),
      );
      await answered(() =>
        pool.query(
          `DELETE FROM verifications WHERE state NOT IN ${open} AND id NOT IN (SELECT id FROM verifications ORDER BY created_at DESC LIMIT $1)
             AND NOT EXISTS (SELECT FROM repairs r WHERE r.verification_id = verifications.id AND r.state IN ${open})`,
          [runsKept],
        ),
      );
    },
  };
}

async function keepChunk(
  client: pg.PoolClient,
  run: VerificationRun,
  { system, kind }: PartName,
  { pass, after, records, suspects, certain }: ChunkOutcome,
): Promise<number | null> {
  if ((await client.query(ours, [run.id, run.token])).rowCount === 0) return null;
  await insertFindings(client, run, { system, kind }, suspects, certain ? 'found' : 'suspected');
  const { rows } = await client.query<{ kept: number }>(
    `UPDATE verification_parts SET pass = $4, after = $5, records = records + $6, findings = findings + $7
     WHERE verification_id = $1 AND system = $2 AND kind = $3 RETURNING findings AS kept`,
    [run.id, system, kind, pass, after === null ? null : stringifyExact(after), records, suspects.length],
  );
  return rows[0]?.kept ?? null;
}

/** What is met in both passes is one finding. */
async function insertFindings(
  client: pg.PoolClient,
  run: VerificationRun,
  { system, kind }: PartName,
  suspects: ChunkOutcome['suspects'],
  state: string,
): Promise<void> {
  if (suspects.length === 0) return;
  await client.query(
    `INSERT INTO verification_findings (verification_id, system, kind, subject, entity_id, key, state, finding, fields, reason, here, there)
     SELECT DISTINCT ON (r.subject) $1::uuid, $2, $3, r.subject, r.entity_id, r.key, $4, r.finding,
       ARRAY(SELECT jsonb_array_elements_text(r.fields)), left(r.reason, 2000), r.here, r.there
     FROM jsonb_to_recordset($5::jsonb) AS r(subject text, entity_id text, key text, finding text, fields jsonb, reason text, here text, there text)
     ON CONFLICT (verification_id, system, kind, subject) DO NOTHING`,
    [run.id, system, kind, state, JSON.stringify(suspects.map(findingRow))],
  );
}

async function concludeAll(
  client: pg.PoolClient,
  run: VerificationRun,
  { system, kind }: PartName,
  concluded: readonly Concluded[],
): Promise<boolean | null> {
  if ((await client.query(ours, [run.id, run.token])).rowCount === 0) return null;
  const equal = concluded.filter(({ conclusion }) => conclusion === 'equal').map(({ subject }) => subjectText(subject));
  await client.query(
    'DELETE FROM verification_findings WHERE verification_id = $1 AND system = $2 AND kind = $3 AND subject = ANY($4)',
    [run.id, system, kind, equal],
  );
  const others = concluded.filter(({ conclusion }) => conclusion !== 'equal');
  await client.query(
    `UPDATE verification_findings f SET state = r.state, round = f.round + 1, finding = r.finding,
       fields = ARRAY(SELECT jsonb_array_elements_text(r.fields)), reason = left(r.reason, 2000), here = r.here, there = r.there,
       entity_id = coalesce(r.entity_id, f.entity_id), seen_at = now()
     FROM jsonb_to_recordset($4::jsonb) AS r(subject text, entity_id text, state text, finding text, fields jsonb, reason text, here text, there text)
     WHERE f.verification_id = $1 AND f.system = $2 AND f.kind = $3 AND f.subject = r.subject`,
    [
      run.id,
      system,
      kind,
      JSON.stringify(
        others.map(({ subject, now, conclusion }) => ({
          ...findingRow(now),
          subject: subjectText(subject),
          state: conclusion === 'again' ? 'suspected' : conclusion,
        })),
      ),
    ],
  );
  return true;
}

/** Reasons may quote what a system said, and no database keeps U+0000. */
function findingRow(sighting: Sighting): JsonObject {
  const { key, entityId, finding, here, there } = sighting;
  const plain = (text: string | null | undefined) => text?.replaceAll('\0', '\ufffd') ?? null;
  return {
    subject: subjectText(sighting),
    entity_id: entityId,
    key,
    finding: finding?.kind ?? null,
    fields: [...(finding?.fields ?? [])].map((field) => plain(field)),
    reason: plain(finding?.reason),
    here,
    there,
  };
}

export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailable(error);
  });
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failed: Error) => {
      broken = failed;
    });
    // What the database holds against the data does not pass by waiting.
    throw faultOf(error) === 'data' ? error : unavailable(error);
  } finally {
    client.release(broken);
  }
}

async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw unavailable(error);
  }
}
