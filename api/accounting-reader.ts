import { type Account, accountOf, lagOf, type PartitionEnd } from '../core/accounting.ts';
import type { ReadStore } from '../core/ports/read-store.ts';

/** Where the logs end, as the broker says. */
export interface LogEnds {
  raw(): Promise<readonly PartitionEnd[]>;
  canonical(): Promise<readonly PartitionEnd[]>;
}

export interface AccountReading {
  readonly account: Account;
  readonly lag: { readonly processor: number; readonly syncManager: number };
}

/** The tables first, the logs after: what comes in between counts as in flight, and nothing as missing. */
export async function readAccount(store: ReadStore, ends: LogEnds): Promise<AccountReading> {
  const progress = await store.progress();
  const [rawEnds, canonicalEnds] = await Promise.all([ends.raw(), ends.canonical()]);
  return {
    account: accountOf({ rawEnds, canonicalEnds, ...progress }),
    lag: { processor: lagOf(rawEnds, progress.processors), syncManager: lagOf(canonicalEnds, progress.syncManagers) },
  };
}
