import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { ChangeEnvelope } from '../change-event.ts';
import { SyncError } from '../errors.ts';
import type { Glance } from '../ports/record-codec.ts';
import { changeEnvelopeFrom } from './envelope.ts';
import type { RecordLimits } from './record-limits.ts';

/**
 * Inside a text its quotation marks would be escaped, so the first of these begins the data, unless a field we do not
 * know nests before it: then what stands before is not a whole envelope, and the event is decoded the long way.
 */
const dataBegin = Buffer.from(',"data":{');

/** Runs per record. Everything from the data on is digested as it stands, the end of the envelope included. */
export function glanceAt(value: Buffer, { recordBytesMax }: RecordLimits): Glance | undefined {
  const at = value.indexOf(dataBegin);
  if (at < 0 || value.length > recordBytesMax) return undefined;
  return {
    digest: hash('sha256', value.subarray(at + dataBegin.length), 'base64'),
    envelope: () => envelopeBefore(value.subarray(0, at)),
  };
}

function envelopeBefore(bytes: Buffer): ChangeEnvelope | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    return changeEnvelopeFrom(JSON.parse(`${bytes.toString('utf8')}}`));
  } catch (error) {
    if (error instanceof SyncError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
