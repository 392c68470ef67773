import type { CanonicalRecord, Checksum, EntityId, EventId } from '../change-event.ts';
import type { JsonObject } from '../json.ts';
import type { Knowledge } from './voice.ts';

/** A write of ours to a system that is a source too, as the ledger has it until the system has told of it. */
export interface WriteBack {
  readonly id: string;
  readonly entityId: EntityId;
  /** What the system goes by. */
  readonly target: string;
  readonly eventId: EventId;
  readonly knowledge: Knowledge;
  /** Whether the system's row has it already. */
  readonly heard: boolean;
  /** Whether the system told of it, or will not any more. */
  readonly told: boolean;
  readonly deletes: boolean;
  /** Of the record as the system will tell it: as we mean it until we know what the system made of it. Null where that is not known. */
  readonly echo: Checksum | null;
  /** Of the record that it replaces, without what is counted; null where there is none. */
  readonly expected: Checksum | null;
  /** In canonical form. Of one that was heard they are not needed any more. */
  readonly replaced: JsonObject | null;
  readonly returned: JsonObject | null;
}

/** What a batch makes of a write-back. */
export interface WriteBackNote {
  readonly id: string;
  readonly heard: boolean;
  readonly told: boolean;
  /** A word was taken for told late by its looks, and the target has to look whether it was. */
  readonly doubted: boolean;
}

/** What a system says of its record. */
export type Word = Pick<CanonicalRecord, 'data' | 'checksum'>;

/** What a word of a system is, as far as our writes to it tell. */
export type Hearing =
  | { readonly kind: 'own' }
  /** Our write coming back. Those that we have not heard of before are heard of by it, the newest by this very word where that `isNews`. */
  | { readonly kind: 'echo'; readonly heard: readonly WriteBack[]; readonly isNews: boolean }
  /** Its own from before our write, the acknowledgement of which has told already what was counted there. */
  | { readonly kind: 'before' };

interface Entry {
  readonly writeBack: WriteBack;
  heard: boolean;
  told: boolean;
  doubted: boolean;
  noted: boolean;
}

const own: Hearing = { kind: 'own' };

/**
 * The writes to one record of one system, oldest first. A system tells what became of its record in the order in which that
 * happened, our writes among it; the acknowledgement of a write comes another way, sooner or later than its echo. But some
 * leave states out, or tell a record as it stands by now: what is known by its looks alone is doubted.
 */
export class WriteBacks {
  readonly #entries: readonly Entry[];

  constructor(writeBacks: readonly WriteBack[]) {
    this.#entries = writeBacks.map((writeBack) => {
      const { heard, told } = writeBack;
      return { writeBack, heard, told, doubted: false, noted: false };
    });
  }

  /** `isKnown`: it says what the system's row says. `uncounted`: its checksum without what is counted; undefined where nothing is. */
  hear(word: Word, isKnown: boolean, uncounted: () => Checksum | undefined): Hearing {
    const awaited = this.#entries.filter(({ told }) => !told);
    const [first] = awaited;
    if (first === undefined) return own;
    const at = awaited.findIndex(({ writeBack }) => isEchoOf(writeBack, word));
    if (at >= 0) return this.#echo(awaited.slice(0, at + 1), { isKnown, isNewest: at === awaited.length - 1 });
    if (!isKnown && word.data !== null && uncounted() === first.writeBack.expected) {
      if (first.heard) doubt(first);
      return first.heard ? { kind: 'before' } : own;
    }
    // It came after them; but what is known already may be told again before a write that we have not heard of.
    for (const entry of awaited) {
      if (!isKnown || entry.heard) note(entry).told = true;
      else doubt(entry);
    }
    return own;
  }

  /** An acknowledgement: whether the echo is still to come. Undefined where the write was heard of before, or is none of this record. */
  acknowledge(id: string): { readonly isAwaited: boolean; readonly expected: Checksum | null } | undefined {
    const entry = this.#entries.find(({ writeBack }) => writeBack.id === id);
    if (entry === undefined || entry.heard) return undefined;
    note(entry).heard = true;
    return { isAwaited: !entry.told, expected: entry.writeBack.expected };
  }

  /** The echo of an acknowledged write came before, though it did not look like it. */
  pass(id: string): void {
    for (const entry of this.#entries) if (entry.writeBack.id === id) note(entry).told = true;
  }

  /** The system's row was taken for what it was before this write. */
  takeAsBefore(id: string): void {
    for (const entry of this.#entries) if (entry.writeBack.id === id) doubt(entry);
  }

  get isDoubted(): boolean {
    return this.#entries.some(({ doubted }) => doubted);
  }

  *notes(): Iterable<WriteBackNote> {
    for (const { writeBack, heard, told, doubted, noted } of this.#entries) {
      if (noted) yield { id: writeBack.id, heard, told, doubted };
    }
  }

  #echo(entries: readonly Entry[], { isKnown, isNewest }: { isKnown: boolean; isNewest: boolean }): Hearing {
    const last = entries.at(-1)!;
    const isNews = !last.heard;
    const unheard = entries.filter(({ heard }) => !heard);
    for (const entry of entries) note(entry).told = true;
    for (const entry of unheard) entry.heard = true;
    // Where it is not what we take to stand there now, users may have brought back what an older write had left.
    if (isNews ? !isNewest : !isKnown) doubt(last);
    return { kind: 'echo', heard: unheard.map(({ writeBack }) => writeBack), isNews };
  }
}

function doubt(entry: Entry): void {
  note(entry).doubted = true;
}

function note(entry: Entry): Entry {
  entry.noted = true;
  return entry;
}

function isEchoOf(writeBack: WriteBack, { data, checksum }: Word): boolean {
  return data === null ? writeBack.deletes : !writeBack.deletes && writeBack.echo !== null && writeBack.echo === checksum;
}
