import type { StreamNote, StreamNotes } from '../../core/ports/source-connector.ts';

/** Behind all notes of a scan, whose names are letters and digits. */
const prefix = '~';
const keysPerNote = 1_000;
const notesAtOnce = 64;

interface NoteBody {
  readonly keys: readonly string[];
}

/**
 * The keys of rows that came after the last scan. Should the log be lost, a scan finds out from its own notes and these
 * what is there no longer.
 */
export class ToldKeys {
  #number: number;
  #keys = new Set<string>();

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

  /** What is to be stored of it now; a note that is full is followed by the next. */
  note(): StreamNote {
    const body: NoteBody = { keys: [...this.#keys] };
    const name = `${prefix}${String(this.#number).padStart(12, '0')}`;
    if (this.#keys.size >= keysPerNote) {
      this.#number++;
      this.#keys = new Set();
    }
    return { name, head: {}, body: Buffer.from(JSON.stringify(body)) };
  }
}

/** The keys that were noted, note by note. */
export async function* notedKeys(
  notes: StreamNotes,
): AsyncGenerator<{ readonly name: string; readonly keys: readonly string[] }> {
  for (let after = prefix; ; ) {
    const heads = await notes.heads(after, notesAtOnce);
    for (const { name } of heads) {
      const body = await notes.body(name);
      const { keys }: NoteBody = body === null ? { keys: [] } : JSON.parse(Buffer.from(body).toString('utf8'));
      yield { name, keys };
    }
    if (heads.length < notesAtOnce) return;
    after = heads.at(-1)!.name;
  }
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
