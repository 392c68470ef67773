import type { Clock } from '../core/ports/clock.ts';
import type { ProcessorLease, StageLedger } from '../core/ports/stage-ledger.ts';
import type { CacheEntry, CacheTicket, CacheWrite, StateCache } from '../core/ports/state-cache.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';

const reopenAfterMs = 1_000;

type SessionState =
  /** Our mark stands on the server, entries of our era are whole. */
  | { readonly kind: 'open'; readonly ticket: CacheTicket }
  /** Nothing of the era can be trusted: a new one has to be recorded before anything is settled. */
  | { readonly kind: 'broken' }
  /** The new era is recorded; the server does not know of it yet. */
  | { readonly kind: 'closed'; readonly retryAtMs: number };

/**
 * One partition's use of the cache. Invariant 2: whatever goes wrong with Redis ends the era, and the end of an era is
 * recorded in PostgreSQL before the batch is, so that no later owner trusts entries that missed a change.
 */
export class CacheSession {
  readonly #cache: StateCache;
  readonly #ledger: StageLedger;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  #state: SessionState;

  private constructor(cache: StateCache, ledger: StageLedger, clock: Clock, telemetry: Telemetry) {
    this.#cache = cache;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#state = { kind: 'broken' };
  }

  /** Takes over the mark of the partition's previous owner; its entries stay if nothing happened in between. */
  static async open(
    lease: ProcessorLease,
    deps: { cache: StateCache; ledger: StageLedger; clock: Clock; telemetry: Telemetry },
  ): Promise<CacheSession> {
    const session = new CacheSession(deps.cache, deps.ledger, deps.clock, deps.telemetry);
    await session.#attempt(lease, async () => {
      const ticket = ticketOf(lease);
      const kept = await session.#cache.take(ticket, lease.previousToken);
      if (kept) session.#state = { kind: 'open', ticket };
    });
    return session;
  }

  /** Entries in the order of the keys; a miss wherever the cache cannot be trusted. */
  async read(lease: ProcessorLease, keys: readonly string[]): Promise<readonly (CacheEntry | null)[]> {
    let entries: readonly (CacheEntry | null)[] = [];
    await this.#reopen(lease);
    if (this.#state.kind === 'open' && keys.length > 0) {
      const { ticket } = this.#state;
      await this.#attempt(lease, async () => {
        const answer = await this.#cache.read(ticket, keys);
        if (answer.trusted) entries = answer.entries;
        else this.#break(lease, 'the mark is gone: another server, a restart, a flush or another owner');
      });
    }
    return entries.length === keys.length ? entries : keys.map(() => null);
  }

  async write(lease: ProcessorLease, entries: readonly CacheWrite[]): Promise<void> {
    if (entries.length === 0 || this.#state.kind !== 'open') return;
    const { ticket } = this.#state;
    await this.#attempt(lease, async () => {
      if (!(await this.#cache.write(ticket, entries))) this.#break(lease, 'the mark was gone when the states were written');
    });
  }

  /** Called before a batch is settled: a broken era is ended in the ledger first. Null when the lease is lost. */
  async recordBrokenEra(lease: ProcessorLease): Promise<ProcessorLease | null> {
    if (this.#state.kind !== 'broken') return lease;
    const renewed = await this.#ledger.beginEra(lease);
    if (renewed) this.#state = { kind: 'closed', retryAtMs: this.#clock.nowMs() };
    return renewed;
  }

  /** An empty era needs no trust: the mark is set, and entries are planted from here on. */
  async #reopen(lease: ProcessorLease): Promise<void> {
    if (this.#state.kind !== 'closed' || this.#clock.nowMs() < this.#state.retryAtMs) return;
    await this.#attempt(lease, async () => {
      const ticket = ticketOf(lease);
      if (await this.#cache.take(ticket, null)) this.#state = { kind: 'open', ticket };
      else this.#state = { kind: 'closed', retryAtMs: this.#clock.nowMs() + reopenAfterMs };
    });
  }

  async #attempt(lease: ProcessorLease, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#telemetry.partAvailability({ part: 'redis', available: false, error });
      if (this.#state.kind === 'closed') this.#state = { kind: 'closed', retryAtMs: this.#clock.nowMs() + reopenAfterMs };
      else this.#break(lease, 'the cache did not answer');
    }
  }

  #break(lease: ProcessorLease, reason: string): void {
    this.#state = { kind: 'broken' };
    this.#telemetry.cacheEraBegun({ topic: lease.topic, partition: lease.partition, era: lease.era, reason });
  }
}

function ticketOf(lease: ProcessorLease): CacheTicket {
  return { topic: lease.topic, partition: lease.partition, token: lease.token, era: lease.era };
}
