import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { CacheEntry, CacheRead, CacheTicket, CacheWrite, StateCache } from '../../core/ports/state-cache.ts';
import { atOnce, type Pace, partitionName } from './pace.ts';

interface Mark {
  readonly token: number;
  readonly era: string;
  /** The server on which it was set. */
  readonly server: number;
}

interface StoredEntry {
  readonly era: string;
  readonly entry: CacheEntry;
}

interface Content {
  readonly marks: ReadonlyMap<string, Mark>;
  readonly entries: ReadonlyMap<string, StoredEntry>;
}

/** What stands on the server at one moment. */
export type CacheSnapshot = Content;

/** The server: what it holds, and who it is. Whatever starts it anew makes it another one. */
export class CacheServer {
  #identity = 1;
  #marks = new Map<string, Mark>();
  #entries = new Map<string, StoredEntry>();

  get identity(): number {
    return this.#identity;
  }

  /** Everything is gone; the server is the same. */
  flush(): void {
    this.#marks.clear();
    this.#entries.clear();
  }

  /** It comes back with what it had. */
  restart(): void {
    this.#identity++;
  }

  snapshot(): CacheSnapshot {
    return { marks: new Map(this.#marks), entries: new Map(this.#entries) };
  }

  /** It comes back with what it had long ago; so does a replica that lagged behind. */
  restore(snapshot: CacheSnapshot): void {
    this.#identity++;
    this.#marks = new Map(snapshot.marks);
    this.#entries = new Map(snapshot.entries);
  }

  markOf(ref: PartitionRef): Mark | undefined {
    return this.#marks.get(partitionName(ref));
  }

  setMark(ref: PartitionRef, mark: Mark): void {
    this.#marks.set(partitionName(ref), mark);
  }

  entryOf(ref: PartitionRef, key: string): StoredEntry | undefined {
    return this.#entries.get(entryName(ref, key));
  }

  setEntry(ref: PartitionRef, key: string, stored: StoredEntry): void {
    this.#entries.set(entryName(ref, key), stored);
  }
}

export class MemoryStateCache implements StateCache {
  readonly #server: CacheServer;
  readonly #pace: Pace;

  constructor(server: CacheServer, pace: Pace = atOnce) {
    this.#server = server;
    this.#pace = pace;
  }

  take(ticket: CacheTicket, previousToken: number | null): Promise<boolean> {
    return this.#pace('cache.take', () => {
      const found = this.#server.markOf(ticket);
      const isFree =
        previousToken === null
          ? found === undefined || found.token <= ticket.token
          : this.#isMark(found, previousToken, ticket.era);
      if (isFree) this.#server.setMark(ticket, { token: ticket.token, era: ticket.era, server: this.#server.identity });
      return isFree;
    });
  }

  read(ticket: CacheTicket, keys: readonly string[]): Promise<CacheRead> {
    return this.#pace('cache.read', () => {
      if (!this.#isMark(this.#server.markOf(ticket), ticket.token, ticket.era)) return { trusted: false, entries: [] };
      const entries = keys.map((key) => {
        const stored = this.#server.entryOf(ticket, key);
        return stored?.era === ticket.era ? stored.entry : null;
      });
      return { trusted: true, entries };
    });
  }

  write(ticket: CacheTicket, entries: readonly CacheWrite[]): Promise<boolean> {
    return this.#pace('cache.write', () => {
      if (!this.#isMark(this.#server.markOf(ticket), ticket.token, ticket.era)) return false;
      for (const { key, ...entry } of entries) this.#server.setEntry(ticket, key, { era: ticket.era, entry });
      return true;
    });
  }

  #isMark(found: Mark | undefined, token: number, era: string): boolean {
    return found !== undefined && found.token === token && found.era === era && found.server === this.#server.identity;
  }
}

function entryName(ref: PartitionRef, key: string): string {
  return `${partitionName(ref)}:${key}`;
}
