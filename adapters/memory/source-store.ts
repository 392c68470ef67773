import type { SourceMark, StreamNote, StreamPhase } from '../../core/ports/source-connector.ts';
import type { SourceDesk, SourceStore, StreamLease, StreamRef, StreamState, StreamView } from '../../core/ports/source-store.ts';
import { atOnce, type Pace } from './pace.ts';

interface StreamRow extends StreamRef {
  token: number;
  owner: string | null;
  seenAtMs: number;
  epoch: number;
  mark: SourceMark | null;
  phase: StreamPhase;
  accepted: boolean;
  state: StreamState;
  errorCode: string | null;
  reason: string | null;
  changes: number;
  lagMs: number | null;
  updatedAtMs: number;
  readonly notes: Map<string, StreamNote>;
}

/** The model of the tables: outlives the processes that use it. */
export class StreamRows {
  readonly rows = new Map<string, StreamRow>();
  readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  at({ source, stream }: StreamRef): StreamRow | undefined {
    return this.rows.get(`${source}\0${stream}`);
  }

  held(lease: StreamLease): StreamRow | undefined {
    const row = this.at(lease);
    return row?.token === lease.token && row.epoch === lease.epoch && row.state === 'running' ? row : undefined;
  }
}

export class MemorySourceStore implements SourceStore {
  readonly #streams: StreamRows;
  readonly #pace: Pace;

  constructor(streams: StreamRows, pace: Pace = atOnce) {
    this.#streams = streams;
    this.#pace = pace;
  }

  acquire(refs: readonly StreamRef[], owner: string, silentMs: number): Promise<readonly StreamLease[]> {
    return this.#pace('source.acquire', () => {
      const nowMs = this.#streams.nowMs();
      return refs.flatMap((ref): StreamLease[] => {
        const row = this.#streams.at(ref) ?? this.#begin(ref);
        const isFree = row.owner === null || row.owner === owner || row.seenAtMs < nowMs - silentMs;
        if (row.state === 'paused' || !isFree) return [];
        row.token++;
        row.owner = owner;
        row.seenAtMs = nowMs;
        return [leaseOf(row)];
      });
    });
  }

  renew(leases: readonly StreamLease[]): Promise<readonly StreamLease[]> {
    return this.#pace('source.renew', () =>
      leases.filter((lease) => {
        const row = this.#streams.held(lease);
        if (row !== undefined) row.seenAtMs = this.#streams.nowMs();
        return row !== undefined;
      }),
    );
  }

  advance(lease: StreamLease, progress: Parameters<SourceStore['advance']>[1]): Promise<StreamLease | null> {
    return this.#pace('source.advance', () => {
      const row = this.#streams.held(lease);
      if (row === undefined) return null;
      const { mark, phase, lagMs, changes, put, remove } = progress;
      for (const name of remove) row.notes.delete(name);
      for (const note of put) row.notes.set(note.name, structuredClone(note));
      const nowMs = this.#streams.nowMs();
      Object.assign(row, {
        mark: structuredClone(mark),
        phase,
        lagMs,
        errorCode: null,
        reason: null,
        accepted: false,
        seenAtMs: nowMs,
        updatedAtMs: nowMs,
      });
      row.changes += changes;
      return leaseOf(row);
    });
  }

  fail(lease: StreamLease, code: string, reason: string, pause: boolean): Promise<void> {
    return this.#pace('source.fail', () => {
      const row = this.#streams.held(lease);
      if (row === undefined) return;
      const isNew = row.errorCode === null || pause;
      Object.assign(row, { errorCode: code, reason, ...(isNew ? { updatedAtMs: this.#streams.nowMs() } : {}) });
      if (pause) Object.assign(row, { state: 'paused', owner: null });
    });
  }

  restart(lease: StreamLease): Promise<StreamLease | null> {
    return this.#pace('source.restart', () => {
      const row = this.#streams.held(lease);
      if (row === undefined) return null;
      Object.assign(row, { epoch: row.epoch + 1, mark: null, phase: 'snapshot', changes: 0 });
      return leaseOf(row);
    });
  }

  release(leases: readonly StreamLease[]): Promise<void> {
    return this.#pace('source.release', () => {
      for (const lease of leases) {
        const row = this.#streams.at(lease);
        if (row?.token === lease.token) row.owner = null;
      }
    });
  }

  notes(lease: StreamLease): ReturnType<SourceStore['notes']> {
    const noted = () => this.#streams.at(lease)?.notes ?? new Map<string, StreamNote>();
    return {
      heads: (after, limit) =>
        this.#pace('source.notes', () =>
          [...noted().values()]
            .filter(({ name }) => name > after)
            .sort((left, right) => (left.name < right.name ? -1 : 1))
            .slice(0, limit),
        ),
      body: (name) => this.#pace('source.notes', () => noted().get(name)?.body ?? null),
    };
  }

  #begin({ source, stream }: StreamRef): StreamRow {
    const row: StreamRow = {
      source,
      stream,
      token: 0,
      owner: null,
      seenAtMs: 0,
      epoch: 1,
      mark: null,
      phase: 'snapshot',
      accepted: false,
      state: 'running',
      errorCode: null,
      reason: null,
      changes: 0,
      lagMs: null,
      updatedAtMs: this.#streams.nowMs(),
      notes: new Map(),
    };
    this.#streams.rows.set(`${source}\0${stream}`, row);
    return row;
  }
}

export class MemorySourceDesk implements SourceDesk {
  readonly #streams: StreamRows;

  constructor(streams: StreamRows) {
    this.#streams = streams;
  }

  async streams(): Promise<readonly StreamView[]> {
    return [...this.#streams.rows.values()].map(({ notes: _, seenAtMs: __, accepted: ___, ...view }) => view);
  }

  async pause(ref: StreamRef, by: string): Promise<boolean> {
    return this.#change(ref, { state: 'paused', reason: `paused by ${by}`, errorCode: null });
  }

  async resume(ref: StreamRef): Promise<boolean> {
    return this.#change(ref, { state: 'running', accepted: true, reason: null, errorCode: null });
  }

  async resync(ref: StreamRef): Promise<boolean> {
    const epoch = (this.#streams.at(ref)?.epoch ?? 0) + 1;
    return this.#change(ref, {
      state: 'running',
      reason: null,
      errorCode: null,
      epoch,
      mark: null,
      phase: 'snapshot',
      changes: 0,
    });
  }

  #change(ref: StreamRef, values: Partial<StreamRow>): boolean {
    const row = this.#streams.at(ref);
    if (row === undefined) return false;
    Object.assign(row, values, { token: row.token + 1, owner: null, updatedAtMs: this.#streams.nowMs() });
    return true;
  }
}

function leaseOf({ source, stream, token, epoch, mark, phase, accepted }: StreamRow): StreamLease {
  return { source, stream, token, epoch, mark: structuredClone(mark), phase, accepted };
}
