import type { OutgoingRecord } from '../../core/ports/event-log.ts';

/** Below the broker's default for one append, so that topics of others take our batches too. */
const appendBytesMax = 900_000;
const requestBytesMax = 8_000_000;
const recordOverheadBytes = 80;
/** What a character takes in UTF-8 at most; a pair of surrogates takes four for two. */
const bytesPerCharacterMax = 3;

/** Records in order, in as many requests as the broker's limits ask for. A record above a limit goes alone. */
export function* portionsOf(records: readonly OutgoingRecord[]): Generator<readonly OutgoingRecord[]> {
  if (upperBoundOf(records) <= appendBytesMax) {
    yield records;
    return;
  }
  let portion: OutgoingRecord[] = [];
  let requestBytes = 0;
  let appendBytes = new Map<string, number>();
  for (const record of records) {
    const bytes = sizeOf(record);
    const partition = `${record.topic}/${record.partition}`;
    const append = (appendBytes.get(partition) ?? 0) + bytes;
    if (portion.length > 0 && (append > appendBytesMax || requestBytes + bytes > requestBytesMax)) {
      yield portion;
      portion = [];
      requestBytes = 0;
      appendBytes = new Map();
    }
    portion.push(record);
    requestBytes += bytes;
    appendBytes.set(partition, (appendBytes.get(partition) ?? 0) + bytes);
  }
  if (portion.length > 0) yield portion;
}

/** Cheap, because it runs for every record sent. */
function upperBoundOf(records: readonly OutgoingRecord[]): number {
  let bytes = 0;
  for (const { key, value } of records) {
    bytes += recordOverheadBytes + key.length * bytesPerCharacterMax;
    if (value !== null) bytes += typeof value === 'string' ? value.length * bytesPerCharacterMax : value.length;
  }
  return bytes;
}

function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = recordOverheadBytes + Buffer.byteLength(key);
  if (value !== null) bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name]!) + 8;
  return bytes;
}
