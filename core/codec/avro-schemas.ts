import type { PayloadName } from '../ports/record-codec.ts';

/**
 * The Avro form of every payload. A field that is added needs a default, and none is ever removed or given another
 * type: topics are read from their beginning, and old and new processes run side by side.
 */
interface AvroField {
  readonly name: string;
  readonly type: AvroFieldType;
  readonly default?: null;
  readonly doc?: string;
}

type AvroFieldType = 'string' | 'long' | 'int' | 'boolean' | AvroRecord | readonly ['null', 'string'];

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace: 'syncline';
  readonly fields: readonly AvroField[];
}

const optionalText = ['null', 'string'] as const;

/** The record itself stays JSON text: its shape is the source's, and its numbers keep every digit. */
const data: AvroField = { name: 'data', type: optionalText, default: null, doc: 'The record as JSON; null for a delete.' };

const changeFields: readonly AvroField[] = [
  { name: 'eventId', type: 'string' },
  { name: 'source', type: 'string' },
  { name: 'kind', type: 'string' },
  { name: 'key', type: 'string' },
  // Not an enum: a symbol cannot be added to one without breaking whoever reads with the old schema.
  { name: 'operation', type: 'string', doc: 'snapshot, create, update or delete.' },
  { name: 'position', type: 'string' },
  { name: 'occurredAt', type: 'string', doc: 'RFC 3339 in UTC.' },
  { name: 'correlationId', type: 'string' },
  data,
];

const originRecord = record('Origin', [
  { name: 'topic', type: 'string' },
  { name: 'partition', type: 'int' },
  { name: 'offset', type: 'long' },
]);

const versionRecord = record('GoldenVersion', [
  { name: 'epoch', type: 'long' },
  { name: 'n', type: 'long' },
]);

export const avroEnvelopes: Readonly<Record<PayloadName, AvroRecord>> = {
  change: record('ChangeEvent', changeFields),
  canonical: record('CanonicalRecord', [
    ...changeFields,
    { name: 'sourceType', type: 'string' },
    { name: 'entityId', type: 'string' },
    { name: 'receivedAtMs', type: 'long' },
    { name: 'checksum', type: optionalText, default: null },
    { name: 'origin', type: originRecord },
    { name: 'replayOf', type: optionalText, default: null },
  ]),
  golden: record('GoldenRecord', [
    { name: 'entityId', type: 'string' },
    { name: 'kind', type: 'string' },
    { name: 'version', type: versionRecord },
    { name: 'deleted', type: 'boolean' },
    data,
    { name: 'eventId', type: 'string' },
    { name: 'updatedAt', type: 'string', doc: 'RFC 3339 in UTC.' },
  ]),
};

function record(name: string, fields: readonly AvroField[]): AvroRecord {
  return { type: 'record', name, namespace: 'syncline', fields };
}
