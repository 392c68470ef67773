import assert from 'node:assert/strict';
import { reasonOf, SyncError } from '../../core/errors.ts';
import type { AvroType, RegistryClient } from './registry-client.ts';

/** A message begins with a zero byte and the id of its schema. */
const magicByte = 0;
export const headerBytes = 5;
/** An id that the registry did not know may be known after a while: it may have been a replica that lagged. */
const unknownForMs = 30_000;
const unknownMax = 10_000;
const fetchesAtOnce = 8;

type Reader =
  | { readonly kind: 'known'; read(bytes: Buffer): unknown }
  | { readonly kind: 'foreign'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly untilMs: number };

/** What is needed to read messages of any version as the one type we know: fetched once per schema. */
export class SchemaReaders {
  readonly #registry: RegistryClient;
  readonly #ours: AvroType;
  readonly #readers = new Map<number, Reader>();

  constructor(registry: RegistryClient, ours: AvroType, id: number) {
    this.#registry = registry;
    this.#ours = ours;
    this.#readers.set(id, { kind: 'known', read: (bytes) => ours.fromBuffer(bytes) });
  }

  async prepare(values: readonly Buffer[]): Promise<void> {
    const missing = new Set<number>();
    for (const value of values) {
      const id = schemaIdOf(value);
      if (id !== undefined && !this.#isSettled(id)) missing.add(id);
    }
    const ids = [...missing];
    for (let at = 0; at < ids.length; at += fetchesAtOnce) {
      await Promise.all(ids.slice(at, at + fetchesAtOnce).map((id) => this.#fetch(id)));
    }
  }

  read(value: Buffer): unknown {
    const id = schemaIdOf(value);
    if (id === undefined) throw new SyncError('record.malformed', 'the record does not begin with the id of a schema');
    const reader = this.#readers.get(id);
    assert(reader !== undefined, 'a batch is prepared before it is decoded');
    switch (reader.kind) {
      case 'unknown':
        throw new SyncError('schema.unknown', `the schema registry does not know schema ${id}`, { details: { schemaId: id } });
      case 'foreign':
        throw new SyncError('record.malformed', `schema ${id} is not of this record: ${reader.reason}`, {
          details: { schemaId: id },
        });
      case 'known':
        try {
          return reader.read(value.subarray(headerBytes));
        } catch (error) {
          throw new SyncError('record.malformed', `the record does not fit schema ${id}: ${reasonOf(error)}`, { cause: error });
        }
    }
  }

  #isSettled(id: number): boolean {
    const reader = this.#readers.get(id);
    return reader !== undefined && (reader.kind !== 'unknown' || reader.untilMs > Date.now());
  }

  async #fetch(id: number): Promise<void> {
    const writer = await this.#registry.find(id);
    // Ids come from whoever writes to the topic, so what is remembered of wrong ones has a bound.
    if (this.#readers.size >= unknownMax) this.#forgetUnknown();
    this.#readers.set(id, writer === null ? { kind: 'unknown', untilMs: Date.now() + unknownForMs } : this.#readerOf(writer));
  }

  #readerOf(writer: AvroType): Reader {
    try {
      const resolver = this.#ours.createResolver(writer);
      return { kind: 'known', read: (bytes) => this.#ours.fromBuffer(bytes, resolver) };
    } catch (error) {
      return { kind: 'foreign', reason: reasonOf(error) };
    }
  }

  #forgetUnknown(): void {
    for (const [id, { kind }] of this.#readers) if (kind === 'unknown') this.#readers.delete(id);
  }
}

function schemaIdOf(value: Buffer): number | undefined {
  return value.length >= headerBytes && value[0] === magicByte ? value.readUInt32BE(1) : undefined;
}
