import { isUtf8 } from 'node:buffer';
import { isSyncError, reasonOf, SyncError } from '../errors.ts';
import { type JsonObject, type JsonValue, parseExact, stringifyExact } from '../json.ts';
import type { PayloadName, PayloadTypes, RecordCodec, RecordCodecs } from '../ports/record-codec.ts';
import { canonicalRecordFrom, changeEventFrom, goldenRecordFrom } from './envelope.ts';
import { glanceAt } from './json-glance.ts';
import { type RecordLimits, recordLimitsDefault, refuseTooDeep, refuseTooLarge, refuseUnstorableText } from './record-limits.ts';

type AnyPayload = PayloadTypes[PayloadName];

/** A message value is the payload as JSON in UTF-8, fields named as in its type. */
export function jsonCodecs(limits: Partial<RecordLimits> = {}): RecordCodecs {
  const all = { ...recordLimitsDefault, ...limits };
  const codecs = {
    change: { ...jsonCodec(changeEventFrom, all), glance: (value: Buffer) => glanceAt(value, all) },
    canonical: jsonCodec(canonicalRecordFrom, all),
    golden: jsonCodec(goldenRecordFrom, all),
  };
  return {
    async for<N extends PayloadName>(name: N): Promise<RecordCodec<PayloadTypes[N]>> {
      return codecs[name] as unknown as RecordCodec<PayloadTypes[N]>;
    },
  };
}

function jsonCodec<P extends AnyPayload>(payloadFrom: (value: JsonValue) => P, limits: RecordLimits): RecordCodec<P> {
  return {
    encode(payload) {
      refuseTooDeep(payload.data, limits);
      const value = payload as unknown as JsonObject;
      const text = stringifyExact(value);
      refuseUnstorableText(value, text);
      // A character takes three bytes at most, so most texts need not be measured.
      if (text.length * 3 > limits.recordBytesMax) refuseTooLarge(Buffer.byteLength(text), limits);
      return text;
    },
    decode(bytes) {
      refuseTooLarge(bytes.length, limits);
      return payloadFrom(parse(bytes, limits));
    },
  };
}

function parse(bytes: Buffer, { nestingMax }: RecordLimits): JsonValue {
  // Decoding would replace what is not UTF-8 without a word.
  if (!isUtf8(bytes)) throw new SyncError('record.malformed', 'the record is not UTF-8');
  try {
    // The envelope is a level of its own.
    return parseExact(bytes.toString('utf8'), nestingMax + 1);
  } catch (error) {
    if (isSyncError(error)) throw error;
    throw new SyncError('record.malformed', `the record is not JSON: ${reasonOf(error)}`, { cause: error });
  }
}
