import { type EntityId, goldenSourceType } from '../../core/change-event.ts';
import type { GoldenVoice } from '../../core/conflict/conflict.ts';
import { type Knowledge, knowledgeOf, type SourceRow, voiced } from '../../core/conflict/voice.ts';
import type { WriteBack, WriteBackNote } from '../../core/conflict/write-back.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { StateRow } from '../../core/ports/sync-store.ts';
import type {
  Echo,
  GuardCounts,
  GuardState,
  NewEcho,
  NewTargetLetter,
  TargetIdentity,
  TargetLease,
  TargetSettlement,
  TargetState,
  TargetStore,
  TargetView,
} from '../../core/ports/target-store.ts';
import { atOnce, type Pace, partitionName } from './pace.ts';

interface MemoryLetter extends NewTargetLetter {
  readonly place: string;
  status: 'parked' | 'replaying' | 'applied' | 'superseded';
  attempts: number;
}

/** What the sync manager notes of it stands beside what the target does. */
interface LedgerRow extends Echo {
  readonly target: string;
  readonly heard: boolean;
  readonly told: boolean;
}

/** The tables of the target side, shared by every process. */
export class TargetRows {
  readonly progress = new Map<string, { token: number; nextOffset: number }>();
  readonly states = new Map<string, TargetState>();
  readonly letters = new Map<string, MemoryLetter>();
  readonly guards = new Map<string, GuardState>();
  readonly bindings = new Map<string, EntityId>();
  /** Entities that were merged away, and into which. */
  readonly merges = new Map<EntityId, EntityId>();
  echoes: LedgerRow[] = [];

  /** What the sync manager found out about them. */
  note(notes: readonly WriteBackNote[]): void {
    const noted = new Map(notes.map((note) => [note.id, note]));
    this.echoes = this.echoes.map((row) => {
      const note = noted.get(row.id);
      if (note === undefined) return row;
      const state = note.heard && row.state === 'written' ? 'acknowledged' : row.state;
      return { ...row, ...note, doubted: row.doubted || note.doubted, state };
    });
  }
}

/** As the sync manager reads it. */
export function writeBackOf(row: LedgerRow): WriteBack {
  const { id, entityId, target, eventId, knowledge, heard, told, intended, echo, expected, replaced, returned } = row;
  const deletes = intended === null;
  return { id, entityId, target, eventId, knowledge, heard, told, deletes, echo, expected, replaced, returned };
}

export interface MemoryTargetStoreOptions {
  readonly rows: TargetRows;
  /** The rows of `sync_state` of an entity. */
  statesOf(entityId: EntityId): readonly StateRow[];
  nowMs(): number;
  readonly pace?: Pace;
}

/** So many write-backs to one record wait for their system to tell of them. */
const awaitedMax = 8;

const quiet: GuardState = {
  state: 'running',
  reason: null,
  known: 0,
  changed: 0,
  deleted: 0,
  windowFromMs: 0,
  approvedUntilMs: null,
};

export class MemoryTargetStore implements TargetStore {
  readonly #options: MemoryTargetStoreOptions;
  readonly #rows: TargetRows;
  readonly #pace: Pace;

  constructor(options: MemoryTargetStoreOptions) {
    this.#options = options;
    this.#rows = options.rows;
    this.#pace = options.pace ?? atOnce;
  }

  acquire(target: string, { topic, partition }: PartitionRef): Promise<TargetLease> {
    return this.#pace('target.acquire', () => {
      const place = placeOf(target, { topic, partition });
      const known = this.#rows.progress.get(place) ?? { token: 0, nextOffset: 0 };
      const progress = { ...known, token: known.token + 1 };
      this.#rows.progress.set(place, progress);
      return { target, topic, partition, ...progress };
    });
  }

  look(target: TargetIdentity, kind: string, entityIds: readonly EntityId[]): Promise<readonly TargetView[]> {
    return this.#pace('target.look', () => entityIds.flatMap((entityId) => this.#viewOf(target, kind, entityId)));
  }

  bind(source: string, kind: string, keys: readonly { entityId: EntityId; key: string }[]) {
    return this.#pace('target.bind', () => {
      const taken = new Map<EntityId, EntityId>();
      for (const { entityId, key } of keys) {
        const name = `${source}\0${kind}\0${key}`;
        const holder = this.#rows.bindings.get(name) ?? entityId;
        this.#rows.bindings.set(name, holder);
        if (holder !== entityId) taken.set(entityId, holder);
      }
      return taken;
    });
  }

  begin(lease: TargetLease, echoes: readonly NewEcho[]): Promise<boolean> {
    return this.#pace('target.begin', () => {
      if (!this.#holds(lease)) return false;
      const begun = new Set(echoes.map(({ entityId }) => entityId));
      const isSettled = (echo: LedgerRow) =>
        echo.target === lease.target && begun.has(echo.entityId) && echo.state === 'acknowledged' && !echo.doubted;
      this.#rows.echoes = this.#rows.echoes.filter((echo) => !isSettled(echo) || (!echo.told && !this.#isOld(echo)));
      const updatedAtMs = this.#options.nowMs();
      const unheard = { target: lease.target, heard: false, told: false, doubted: false, returned: null } as const;
      for (const echo of echoes) this.#rows.echoes.push({ ...echo, ...unheard, state: 'pending', updatedAtMs });
      return true;
    });
  }

  settle(lease: TargetLease, settlement: TargetSettlement, windowMs: number): Promise<boolean> {
    return this.#pace('target.settle', () => {
      if (!this.#holds(lease)) return false;
      const updatedAtMs = this.#options.nowMs();
      const written = new Map(settlement.written.map((row) => [row.id, row]));
      const closed = new Set(settlement.closed);
      this.#rows.echoes = this.#rows.echoes
        .filter(({ id, state }) => state !== 'pending' || !closed.has(id))
        .map((echo) => {
          const row = written.get(echo.id);
          if (row === undefined || echo.state !== 'pending') return echo;
          return { ...echo, ...row, state: echo.heard ? ('acknowledged' as const) : ('written' as const), updatedAtMs };
        })
        .map((echo) => (settlement.assured.includes(echo.id) ? { ...echo, doubted: false } : echo));
      for (const { entityId, kind: _kind, ...state } of settlement.states)
        this.#rows.states.set(`${lease.target}\0${entityId}`, state);
      for (const letter of settlement.letters) this.#keep(lease, letter);
      for (const { entityId, version } of settlement.reached) {
        const letter = this.#rows.letters.get(`${lease.target}\0${entityId}`);
        if (letter !== undefined && isOpen(letter)) letter.status = letter.version < version ? 'superseded' : 'applied';
      }
      this.#count(lease.target, settlement.counts, windowMs);
      return true;
    });
  }

  advance(lease: TargetLease, nextOffset: number): Promise<TargetLease | null> {
    return this.#pace('target.advance', () => {
      const progress = this.#rows.progress.get(placeOf(lease.target, lease));
      if (!this.#holds(lease) || progress?.nextOffset !== lease.nextOffset) return null;
      progress.nextOffset = nextOffset;
      return { ...lease, nextOffset };
    });
  }

  replaying(lease: TargetLease, limit: number): Promise<readonly EntityId[]> {
    return this.#pace('target.replaying', () =>
      [...this.#rows.letters.values()]
        .filter(({ place, status }) => place === placeOf(lease.target, lease) && status === 'replaying')
        .slice(0, limit)
        .map(({ entityId }) => entityId),
    );
  }

  guard(target: string): Promise<GuardState> {
    return this.#pace('target.guard', () => this.#rows.guards.get(target) ?? quiet);
  }

  pause(target: string, reason: string): Promise<void> {
    return this.#pace('target.pause', () => {
      this.#rows.guards.set(target, { ...(this.#rows.guards.get(target) ?? quiet), state: 'paused', reason });
    });
  }

  #holds(lease: TargetLease): boolean {
    return this.#rows.progress.get(placeOf(lease.target, lease))?.token === lease.token;
  }

  #viewOf({ name, sourceType }: TargetIdentity, kind: string, entityId: EntityId): TargetView[] {
    const rows = this.#options.statesOf(entityId);
    const golden = rows.find((row) => row.sourceType === goldenSourceType);
    if (golden === undefined) return [];
    const sources = rows.filter((row) => row !== golden).map((row) => voiced(row as SourceRow));
    const own = sources.find((row) => row.sourceType === sourceType);
    const knowledge: Knowledge = sourceType === null ? {} : ((golden.voice as GoldenVoice | null)?.of ?? knowledgeOf(sources));
    const { version, deleted, data, eventId } = golden;
    const away = deleted && sourceType !== null && this.#rows.merges.has(entityId);
    const isElsewhere = (key: string) => (this.#rows.bindings.get(`${name}\0${kind}\0${key}`) ?? entityId) !== entityId;
    const state = this.#rows.states.get(`${name}\0${entityId}`);
    const hidden =
      state === undefined || away || isElsewhere(state.key) || (deleted && this.#isSomeoneElses(name, entityId, state));
    const coming = [...this.#rows.merges].find(([, survivor]) => survivor === entityId)?.[0];
    const bound = this.#keyAt(name, entityId) ?? (coming === undefined ? null : this.#keyAt(name, coming));
    return [
      {
        entityId,
        golden: { version, deleted, data, eventId, knowledge },
        own:
          own === undefined || away
            ? null
            : { turn: own.voice.turn, position: own.position, data: own.deleted ? null : own.data },
        boundKey: away ? null : bound,
        state: hidden ? null : state,
        echoes: this.#rows.echoes.filter(
          (echo) =>
            echo.target === name && echo.entityId === entityId && (echo.state === 'pending' || !(away || isElsewhere(echo.key))),
        ),
      },
    ];
  }

  #isOld({ id, target, entityId }: LedgerRow): boolean {
    const ids = this.#rows.echoes.filter((echo) => echo.target === target && echo.entityId === entityId).map((echo) => echo.id);
    return ids.length - ids.indexOf(id) > awaitedMax;
  }

  #keyAt(name: string, entityId: EntityId): string | null {
    const bound = [...this.#rows.bindings].find(([key, holder]) => key.startsWith(`${name}\0`) && holder === entityId);
    return bound?.[0].split('\0')[2] ?? null;
  }

  /** Whether a living entity has written under the key since. */
  #isSomeoneElses(name: string, entityId: EntityId, { key }: TargetState): boolean {
    return [...this.#rows.states].some(([place, other]) => {
      const [target, holder] = place.split('\0') as [string, EntityId];
      if (target !== name || holder === entityId || other.key !== key || other.checksum === null) return false;
      return this.#options.statesOf(holder).some((row) => row.sourceType === goldenSourceType && !row.deleted);
    });
  }

  #keep(lease: TargetLease, letter: NewTargetLetter): void {
    const name = `${lease.target}\0${letter.entityId}`;
    const attempts = (this.#rows.letters.get(name)?.attempts ?? 0) + 1;
    this.#rows.letters.set(name, { ...letter, place: placeOf(lease.target, lease), status: 'parked', attempts });
  }

  #count(target: string, counts: GuardCounts, windowMs: number): void {
    const nowMs = this.#options.nowMs();
    const before = this.#rows.guards.get(target) ?? { ...quiet, windowFromMs: nowMs };
    const over = nowMs - before.windowFromMs >= windowMs;
    this.#rows.guards.set(target, {
      ...before,
      known: before.known + counts.known,
      changed: (over ? 0 : before.changed) + counts.changed,
      deleted: (over ? 0 : before.deleted) + counts.deleted,
      windowFromMs: over ? nowMs : before.windowFromMs,
    });
  }
}

function isOpen({ status }: MemoryLetter): boolean {
  return status === 'parked' || status === 'replaying';
}

function placeOf(target: string, ref: PartitionRef): string {
  return `${target} ${partitionName(ref)}`;
}
