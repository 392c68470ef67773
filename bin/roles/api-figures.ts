import { type LogEnds, readAccount } from '../../api/accounting-reader.ts';
import { targetSummaries } from '../../api/target-summary.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { type DeadLetterStore, deadLetterStatuses } from '../../core/ports/dead-letter-store.ts';
import type { IngestStore } from '../../core/ports/ingest-store.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import type { TargetDesk } from '../../core/ports/target-desk.ts';
import type { VerificationDesk } from '../../core/ports/verification-desk.ts';
import type { Figures } from '../../monitoring/figures.ts';

export interface FigureReadingDeps {
  readonly figures: Figures;
  readonly readStore: ReadStore;
  readonly deadLetterStore: DeadLetterStore;
  readonly ingestStore: IngestStore;
  readonly targetDesk: TargetDesk;
  readonly verificationDesk: VerificationDesk;
  /** The configured ones, by name. */
  readonly targets: readonly string[];
  readonly ends: LogEnds;
  readonly clock: Clock;
}

const readIntervalMs = 5_000;
const idempotencyKeptMs = 24 * 60 * 60_000;
const forgottenAtOnce = 1_000;
const portionsMax = 50;

/** Reads from the tables what no single process knows: the accounting and the dead letters. */
export function startFigureReading(deps: FigureReadingDeps): { stop(): void } {
  let busy = false;
  const countDifferences = differenceCounting(deps);
  const read = async () => {
    if (busy) return;
    busy = true;
    // A part that is out is told by /ready; the figures keep their last values.
    await Promise.allSettled([
      readOnce(deps),
      countDifferences(),
      countTargets(deps),
      tellVerified(deps),
      forgetOldRequests(deps),
    ]);
    busy = false;
  };
  const timer = setInterval(() => void read(), readIntervalMs);
  void read();
  return { stop: () => clearInterval(timer) };
}

async function readOnce({ figures, readStore, deadLetterStore, ends }: FigureReadingDeps): Promise<void> {
  const { account } = await readAccount(readStore, ends);
  figures.accounting(account);
  const open = deadLetterStatuses.filter((status) => ['waiting', 'parked', 'replaying'].includes(status));
  const counts = await Promise.all(
    open.map(async (status) => [status, await deadLetterStore.count({ status: [status] })] as const),
  );
  figures.deadLettersOpen(Object.fromEntries(counts));
}

async function countTargets({ figures, readStore, targetDesk, targets }: FigureReadingDeps): Promise<void> {
  figures.targets(await targetSummaries(targetDesk, targets, await readStore.roleReports()));
}

async function tellVerified({ figures, verificationDesk }: FigureReadingDeps): Promise<void> {
  figures.verified(await verificationDesk.through());
}

/** Counting costs with the rows there are: it rests so long that it takes a twentieth of the time at most. */
function differenceCounting({ figures, readStore, clock }: FigureReadingDeps): () => Promise<void> {
  let restUntilMs = 0;
  return async () => {
    const startedMs = clock.nowMs();
    if (startedMs < restUntilMs) return;
    try {
      figures.differences(await readStore.differenceSummary());
    } finally {
      restUntilMs = clock.nowMs() + 20 * (clock.nowMs() - startedMs);
    }
  };
}

/** In portions, as many as are due: the table must not outgrow what comes in. */
async function forgetOldRequests({ ingestStore, clock }: FigureReadingDeps): Promise<void> {
  const beforeMs = clock.nowMs() - idempotencyKeptMs;
  for (let portion = 0; portion < portionsMax; portion++) {
    if ((await ingestStore.forget(beforeMs, forgottenAtOnce)) < forgottenAtOnce) return;
  }
}
