import type { CanonicalRecord, ChangeEnvelope, ChangeEvent, GoldenRecord } from '../change-event.ts';

/** What stands in the value of a message. */
export interface PayloadTypes {
  change: ChangeEvent;
  canonical: CanonicalRecord;
  golden: GoldenRecord;
}

export type PayloadName = keyof PayloadTypes;

/**
 * Bytes <-> payload, as JSON or as Avro through a schema registry. Codecs of one topic are prepared once
 * (`codecs.for(name, topic)`); after that a batch of records costs no round trip.
 */
export interface RecordCodec<P> {
  /** Called once per batch before decode, where a codec has to fetch what it decodes with. */
  prepare?(values: readonly Buffer[]): Promise<void>;
  /** Throws SyncError('record.unstorable-text') for text no database takes. */
  encode(payload: P): Buffer | string;
  /** Throws SyncError('record.malformed') for anything that is not such a payload. */
  decode(value: Buffer): P;
  /** A change event seen from outside; undefined where the codec cannot, and for what is not written as we write it. */
  glance?(value: Buffer): Glance | undefined;
}

/** An unread change: most of what comes in is what came before. */
export interface Glance {
  /** Equal digests are equal data, byte for byte. */
  readonly digest: string;
  /** Undefined where it is none. Costs more than the digest, so it is asked for when that is known. */
  envelope(): ChangeEnvelope | undefined;
}

export interface RecordCodecs {
  for<N extends PayloadName>(name: N, topic: string): Promise<RecordCodec<PayloadTypes[N]>>;
}
