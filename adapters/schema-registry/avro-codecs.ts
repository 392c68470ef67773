import { avroEnvelopes } from '../../core/codec/avro-schemas.ts';
import { canonicalRecordFrom, changeEventFrom, goldenRecordFrom } from '../../core/codec/envelope.ts';
import {
  type RecordLimits,
  recordLimitsDefault,
  refuseTooDeep,
  refuseTooLarge,
  refuseUnstorableText,
} from '../../core/codec/record-limits.ts';
import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { type JsonObject, type JsonValue, parseExact, stringifyExact } from '../../core/json.ts';
import type { PayloadName, PayloadTypes, RecordCodec, RecordCodecs } from '../../core/ports/record-codec.ts';
import { createRegistryClient, type RegisteredSchema, type RegistryClient } from './registry-client.ts';
import { headerBytes, SchemaReaders } from './schema-readers.ts';

export interface AvroOptions extends Partial<RecordLimits> {
  /** Of a Confluent-compatible API, `http://127.0.0.1:8081` or with a path. */
  readonly registryUrl: string;
}

type PayloadReader<N extends PayloadName> = (value: JsonValue) => PayloadTypes[N];

const payloadFrom: { readonly [N in PayloadName]: PayloadReader<N> } = {
  change: changeEventFrom,
  canonical: canonicalRecordFrom,
  golden: goldenRecordFrom,
};

/** Message values in Confluent's wire format: a zero byte, the schema's id, the envelope in Avro with its data as JSON. */
export async function avroCodecs({ registryUrl, ...limits }: AvroOptions): Promise<RecordCodecs> {
  const registry = createRegistryClient(registryUrl);
  const all: RecordLimits = { ...recordLimitsDefault, ...limits };
  const opened = new Map<string, Promise<unknown>>();
  return {
    for<N extends PayloadName>(name: N, topic: string): Promise<RecordCodec<PayloadTypes[N]>> {
      const subject = `${topic}-value`;
      const codec = opened.get(subject) ?? openCodec(registry, name, subject, all);
      opened.set(subject, codec);
      // What failed is tried anew by the next who asks.
      codec.catch(() => opened.delete(subject));
      return codec as Promise<RecordCodec<PayloadTypes[N]>>;
    },
  };
}

async function openCodec<N extends PayloadName>(
  registry: RegistryClient,
  name: N,
  subject: string,
  limits: RecordLimits,
): Promise<RecordCodec<PayloadTypes[N]>> {
  const schema = await registry.register(subject, avroEnvelopes[name]);
  const readers = new SchemaReaders(registry, schema.type, schema.id);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(schema.id, 1);
  return {
    prepare: (values) => readers.prepare(values),
    encode: (payload) => encode(payload as unknown as JsonObject, schema, header, limits),
    decode(value) {
      refuseTooLarge(value.length, limits);
      return payloadFrom[name](fromAvro(readers.read(value) as JsonObject, limits));
    },
  };
}

function encode(payload: JsonObject, { type }: RegisteredSchema, header: Buffer, limits: RecordLimits): Buffer {
  const data = (payload.data ?? null) as JsonObject | null;
  refuseTooDeep(data, limits);
  const dataText = data === null ? null : stringifyExact(data);
  const envelope = { ...payload, data: null };
  refuseUnstorableText(envelope, stringifyExact(envelope));
  if (dataText !== null) refuseUnstorableText({ data }, dataText);
  const bytes = Buffer.concat([header, type.toBuffer({ ...envelope, data: dataText })]);
  refuseTooLarge(bytes.length, limits);
  return bytes;
}

/** The same object that JSON would have carried. */
function fromAvro(record: JsonObject, limits: RecordLimits): JsonObject {
  const { data, replayOf, ...envelope } = record;
  const parsed = { ...envelope, data: typeof data === 'string' ? parseData(data, limits) : null };
  return typeof replayOf === 'string' ? { ...parsed, replayOf } : parsed;
}

function parseData(text: string, { nestingMax }: RecordLimits): JsonValue {
  try {
    return parseExact(text, nestingMax);
  } catch (error) {
    if (isSyncError(error)) throw error;
    throw new SyncError('record.malformed', `data is not JSON: ${reasonOf(error)}`, { cause: error, details: { field: 'data' } });
  }
}
