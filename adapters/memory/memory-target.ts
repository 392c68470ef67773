import type { JsonObject } from '../../core/json.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { atOnce, type Pace } from './pace.ts';

/** How this system differs from one that takes everything as it comes. */
export interface MemoryTargetHabits {
  /** What it makes of a row. */
  readonly normalise?: (row: TargetRow) => TargetRow;
  /** Why it refuses a row. */
  readonly objection?: (row: TargetRow) => string | undefined;
}

/** A system that is written to: rows by kind and key. `rows` is also what its own users change. */
export class MemoryTarget implements TargetConnector, SystemReader {
  readonly rows = new Map<string, TargetRow>();
  readonly #keyField: string;
  readonly #habits: MemoryTargetHabits;
  readonly #pace: Pace;

  constructor(keyField: string, habits: MemoryTargetHabits = {}, pace: Pace = atOnce) {
    this.#keyField = keyField;
    this.#habits = habits;
    this.#pace = pace;
  }

  open(): Promise<void> {
    return this.#pace('target.open', () => undefined);
  }

  keyOf(_kind: string, row: TargetRow): string | undefined {
    const key = row[this.#keyField];
    return typeof key === 'string' && key !== '' ? key : undefined;
  }

  write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]> {
    return this.#pace('target.write', () => {
      const after = new Map<string, TargetRow | null>();
      const results = changes.map((change) => this.#apply(nameOf(kind, change.key), change, after));
      for (const [name, row] of after) {
        if (row === null) this.rows.delete(name);
        else this.rows.set(name, row);
      }
      return results;
    });
  }

  readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    return this.#pace('target.read', () => {
      const behind = this.#rowsOf(kind).filter(({ key }) => after === null || key > (after.key as string));
      const rows = behind.slice(0, limit);
      return { rows, next: behind.length > limit ? { key: rows.at(-1)!.key } : null };
    });
  }

  readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    return this.#pace('target.read', () => {
      const wanted = new Set(keys);
      return this.#rowsOf(kind).filter(({ key }) => wanted.has(key));
    });
  }

  async close(): Promise<void> {}

  put(kind: string, key: string, row: TargetRow | null): void {
    if (row === null) this.rows.delete(nameOf(kind, key));
    else this.rows.set(nameOf(kind, key), this.#stored(key, row));
  }

  at(kind: string, key: string): TargetRow | null {
    return this.rows.get(nameOf(kind, key)) ?? null;
  }

  #rowsOf(kind: string): SystemRow[] {
    const prefix = nameOf(kind, '');
    const named = [...this.rows].filter(([name]) => name.startsWith(prefix));
    return named
      .map(([name, row]) => ({ key: name.slice(prefix.length), row }))
      .sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  #apply(name: string, { key, decide }: TargetChange, after: Map<string, TargetRow | null>): TargetResult {
    const found = this.rows.get(name) ?? null;
    const decision = decide(found);
    switch (decision.kind) {
      case 'leave':
        return { kind: 'left', found };
      case 'delete':
        after.set(name, null);
        return { kind: 'written', replaced: found, returned: null };
      default: {
        const returned = this.#stored(key, { ...found, ...decision.row });
        if (decision.kind === 'probe' && JSON.stringify(sorted(returned)) !== JSON.stringify(sorted(found)))
          return { kind: 'left', found };
        after.set(name, returned);
        return { kind: 'written', replaced: found, returned };
      }
    }
  }

  #stored(key: string, row: TargetRow): TargetRow {
    const whole = { ...row, [this.#keyField]: key };
    const objection = this.#habits.objection?.(whole);
    if (objection !== undefined) throw new TargetRejected(objection);
    return this.#habits.normalise?.(whole) ?? whole;
  }
}

function nameOf(kind: string, key: string): string {
  return `${kind}\0${key}`;
}

function sorted(row: JsonObject | null): unknown {
  return row === null ? null : Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1));
}
