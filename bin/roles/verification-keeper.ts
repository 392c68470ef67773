import type pg from 'pg';
import { advisoryLocks } from '../../adapters/postgres/advisory-locks.ts';
import { createVerificationLedger } from '../../adapters/postgres/verification-ledger.ts';
import { createRepairLedger } from '../../adapters/postgres/verification-repairs.ts';
import { Repairer } from '../../connectors/repair.ts';
import { Verifier } from '../../connectors/verifier.ts';
import { reasonOf } from '../../core/errors.ts';
import { pipelinePassage } from './pipeline-passage.ts';
import type { RoleContext } from './role-context.ts';
import { type VerificationParts, verificationParts } from './verification-parts.ts';

const lookIntervalMs = 1_000;
const recordsPerSecondMax = 20_000;

/**
 * Works off what was asked to be verified and repaired, one at a time whatever processes there are. Nothing is opened, and no
 * connection is held, before somebody asks.
 */
export function startVerificationKeeper(context: RoleContext): { stop(): Promise<void> } {
  const { pool, clock, logger } = context;
  const stopping = new AbortController();
  const passage = pipelinePassage(context);
  const [verifications, repairs] = [createVerificationLedger(pool), createRepairLedger(pool)];
  let opened: VerificationParts | undefined;

  const work = async () => {
    if (!(await isAnythingAsked(pool))) return;
    await underLock(pool, async () => {
      opened ??= await verificationParts(context);
      const readable = opened.parts.flatMap(({ name, part }) =>
        typeof part === 'string' ? [] : [[`${name.system}/${name.kind}`, part] as const],
      );
      const comparisons = new Map(
        opened.parts.map(({ name, part }) => [name, typeof part === 'string' ? part : part.comparison] as const),
      );
      const verifier = new Verifier({ ledger: verifications, passage, comparisons, clock, logger, recordsPerSecondMax });
      const repairer = new Repairer({ ledger: repairs, passage, parts: new Map(readable), clock, logger });
      const { signal } = stopping;
      while (!signal.aborted && ((await verifier.work(signal)) || (await repairer.work(signal))));
    });
  };
  let working: Promise<void> | undefined;
  const look = () => {
    working ??= work()
      .catch((error: unknown) => logger.debug(`verification waits: ${reasonOf(error)}`))
      .finally(() => {
        working = undefined;
      });
  };
  const timer = setInterval(look, lookIntervalMs);
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await working;
      await opened?.close();
    },
  };
}

async function isAnythingAsked(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ asked: boolean }>(
    `SELECT EXISTS (SELECT FROM verifications WHERE state IN ('waiting', 'running'))
         OR EXISTS (SELECT FROM repairs WHERE state IN ('waiting', 'running')) AS asked`,
  );
  return rows[0]!.asked;
}

/** The connection takes its lock with it, also where the process is killed. */
async function underLock(pool: pg.Pool, work: () => Promise<void>): Promise<void> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [
      advisoryLocks.verification,
    ]);
    if (rows[0]!.held) await work();
  } finally {
    // Closed rather than given back: so the lock is gone whatever happened.
    client.release(true);
  }
}
