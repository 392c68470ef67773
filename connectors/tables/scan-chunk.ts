import { z } from 'zod';
import type { JsonObject } from '../../core/json.ts';
import type { StreamNote, StreamNotes } from '../../core/ports/source-connector.ts';
import type { KeyBound } from '../../core/ports/table-reader.ts';

/** What is known of a run of neighbouring keys: of those above the chunk before, up to `high`. */
export interface ScanChunk {
  readonly rank: string;
  readonly high: KeyBound;
  readonly rows: number;
  readonly bytes: number;
  /** Over all that is in it, in order: one question and one comparison settle rows that did not change. */
  readonly digest: string;
}

/** Key -> digest of what was told last. */
export type ChunkEntries = Map<string, string>;

const headSchema = z.object({
  high: z.array(z.string()),
  rows: z.number(),
  bytes: z.number(),
  digest: z.string(),
});
const bodySchema = z.object({ keys: z.array(z.string()), digests: z.array(z.string()) });

export function noteOf(chunk: ScanChunk, entries: ChunkEntries): StreamNote {
  const { rank, high, rows, bytes, digest } = chunk;
  const body = { keys: [...entries.keys()], digests: [...entries.values()] };
  return { name: rank, head: { high: [...high], rows, bytes, digest }, body: Buffer.from(JSON.stringify(body)) };
}

function chunkFrom({ name, head }: { readonly name: string; readonly head: JsonObject }): ScanChunk {
  return { rank: name, ...headSchema.parse(head) };
}

export async function entriesOf(notes: StreamNotes, chunks: readonly ScanChunk[]): Promise<ChunkEntries> {
  const entries: ChunkEntries = new Map();
  for (const { rank } of chunks) {
    const body = await notes.body(rank);
    if (body === null) continue;
    const { keys, digests } = bodySchema.parse(JSON.parse(Buffer.from(body).toString('utf8')));
    for (const [at, key] of keys.entries()) entries.set(key, digests[at]!);
  }
  return entries;
}

const headsAtOnce = 64;

/** Chunks so small are read together, so that they become one. */
export interface SmallChunks {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** The chunks behind a rank, one group after the other: small neighbours together, so that they become one. */
export class ChunkCursor {
  readonly #notes: StreamNotes;
  readonly #small: SmallChunks;
  #buffer: ScanChunk[] = [];
  #last: string;
  #ended = false;

  constructor(notes: StreamNotes, after: string, small: SmallChunks) {
    this.#notes = notes;
    this.#last = after;
    this.#small = small;
  }

  /** Empty where there is none left. */
  async next(): Promise<ScanChunk[]> {
    const group: ScanChunk[] = [];
    let [rows, bytes] = [0, 0];
    for (;;) {
      const chunk = await this.#peek();
      if (chunk === undefined) return group;
      rows += chunk.rows;
      bytes += chunk.bytes;
      if (group.length > 0 && (rows > this.#small.rowsMax || bytes > this.#small.bytesMax)) return group;
      this.#buffer.shift();
      group.push(chunk);
    }
  }

  async #peek(): Promise<ScanChunk | undefined> {
    if (this.#buffer.length === 0 && !this.#ended) {
      const heads = await this.#notes.heads(this.#last, headsAtOnce);
      this.#ended = heads.length < headsAtOnce;
      this.#buffer = heads.map(chunkFrom);
      this.#last = heads.at(-1)?.name ?? this.#last;
    }
    return this.#buffer[0];
  }
}
