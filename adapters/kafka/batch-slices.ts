import type { Batch, IHeaders, KafkaMessage } from 'kafkajs';
import type { LogBatch, LogRecord } from '../../core/ports/event-log.ts';

const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

/**
 * A fetched batch in pieces of at most `recordsMax` records, decoded when their turn comes. The last piece also covers
 * what follows its records and is none: markers of transactions.
 */
export function* slicesOf(batch: Batch, fetchedOffset: number, recordsMax: number): Generator<LogBatch> {
  const { topic, partition, messages } = batch;
  const highWatermark = Number(batch.highWatermark);
  const end = Number(batch.lastOffset()) + 1;
  const toRecord = recordDecoder();
  let wantedOffset = fetchedOffset;
  // Pieces of one size: a full one and a crumb cost more than two halves.
  const size = Math.ceil(messages.length / Math.ceil(messages.length / recordsMax));
  for (let from = 0; from < messages.length; from += size) {
    const to = Math.min(from + size, messages.length);
    const records: LogRecord[] = new Array(to - from);
    for (let at = from; at < to; at++) records[at - from] = toRecord(messages[at]!);
    const nextOffset = to === messages.length ? end : records[records.length - 1]!.offset + 1;
    yield { topic, partition, fetchedOffset: wantedOffset, records, nextOffset, highWatermark };
    wantedOffset = nextOffset;
  }
}

/** Runs per record. Records of one append share their timestamp's text, so it is read once. */
export function recordDecoder(): (message: KafkaMessage) => LogRecord {
  let timestampText = '';
  let timestampMs = 0;
  return (message) => {
    if (message.timestamp !== timestampText) {
      timestampText = message.timestamp;
      timestampMs = Number(timestampText);
    }
    return {
      offset: Number(message.offset),
      key: message.key === null ? null : message.key.toString('utf8'),
      value: message.value,
      headers: message.headers === undefined ? noHeaders : headersOf(message.headers),
      timestampMs,
    };
  };
}

function headersOf(raw: IHeaders): Readonly<Record<string, string>> {
  let headers: Record<string, string> | undefined;
  for (const name in raw) {
    const value = raw[name];
    if (value === undefined) continue;
    headers ??= {};
    // A header may stand several times: the last one counts.
    const last = Array.isArray(value) ? value[value.length - 1] : value;
    headers[name] = last === undefined || last === null ? '' : last.toString('utf8');
  }
  return headers ?? noHeaders;
}
