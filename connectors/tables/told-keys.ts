import type { StreamNote, StreamNotes } from '../../core/ports/source-connector.ts';

/** Behind all notes of a scan, whose names are letters and digits. */
const prefix = '~';
const keysPerNote = 1_000;
const notesAtOnce = 64;
const announcedMax = 100_000;

interface NoteBody {
  readonly keys: readonly string[];
}

/**
 * The keys of rows that are told, or about to be, and stand in no note of a scan. From these and its own notes a scan finds
 * out what is there no longer.
 */
export class ToldKeys {
  #number: number;
  #keys = new Set<string>();
  /** Since the last scan, as far as they are remembered: who is told again and again is noted once. */
  readonly #announced = new Set<string>();

  /** `number`: of the last note that was begun. */
  constructor(number: number) {
    this.#number = number + 1;
  }

  get number(): number {
    return this.#number;
  }

  created(key: string): void {
    this.#keys.add(key);
  }

  deleted(key: string): void {
    this.#keys.delete(key);
  }

  /** As `created`; false where it is noted already. */
  announce(key: string): boolean {
    if (this.#announced.has(key)) return false;
    if (this.#announced.size < announcedMax) this.#announced.add(key);
    this.#keys.add(key);
    return true;
  }

  /** A note of these alone, which nothing is added to. */
  single(keys: Iterable<string>): StreamNote {
    return noteOf(this.#number++, keys);
  }

  /** What is to be stored of it now; a note that is full is followed by the next. */
  note(): StreamNote {
    const note = noteOf(this.#number, this.#keys);
    if (this.#keys.size >= keysPerNote) this.#turnPage();
    return note;
  }

  /** A scan goes over what was noted so far: what comes is noted anew. */
  renew(): void {
    this.#announced.clear();
    this.#turnPage();
  }

  #turnPage(): void {
    this.#number++;
    this.#keys = new Set();
  }
}

function noteOf(number: number, keys: Iterable<string>): StreamNote {
  const body: NoteBody = { keys: [...keys] };
  const name = `${prefix}${String(number).padStart(12, '0')}`;
  return { name, head: {}, body: Buffer.from(JSON.stringify(body)) };
}

/** The keys that were noted, note by note. */
export async function* notedKeys(
  notes: StreamNotes,
): AsyncGenerator<{ readonly name: string; readonly keys: readonly string[] }> {
  for (const name of await namesOf(notes)) yield { name, keys: await keysIn(notes, name) };
}

export async function namesOf(notes: StreamNotes): Promise<string[]> {
  const names: string[] = [];
  for (let after = prefix; ; after = names.at(-1)!) {
    const heads = await notes.heads(after, notesAtOnce);
    names.push(...heads.map(({ name }) => name));
    if (heads.length < notesAtOnce) return names;
  }
}

export async function keysIn(notes: StreamNotes, name: string): Promise<readonly string[]> {
  const body = await notes.body(name);
  if (body === null) return [];
  const { keys }: NoteBody = JSON.parse(Buffer.from(body).toString('utf8'));
  return keys;
}

/** The number of the last note there is. */
export async function lastNumber(notes: StreamNotes): Promise<number> {
  return Number((await namesOf(notes)).at(-1)?.slice(prefix.length) ?? 0);
}

/** The notes of the scan alone. */
export function scanNotes(notes: StreamNotes): StreamNotes {
  return {
    async heads(after, limit) {
      const heads = await notes.heads(after, limit);
      return heads.filter(({ name }) => !name.startsWith(prefix));
    },
    body: (name) => notes.body(name),
  };
}
