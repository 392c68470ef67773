import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach } from 'vitest';
import { systemClock } from '../adapters/process/clock.ts';
import { createHttpIngest, type HttpIngestLimits } from '../connectors/http/http-ingest.ts';
import { ingestTypesOf } from '../connectors/http/ingest-types.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { parseConfig } from '../core/config/config.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { Problem } from '../core/problem.ts';
import { topicNames } from '../core/topics.ts';
import { memoryIngestStore } from './memory-stores.ts';

const { sources } = parseConfig({
  sources: {
    shop: {
      connector: 'http',
      entities: {
        users: { key: 'email' },
        orders: {
          key: ['shop', 'number'],
          occurredAt: 'at',
          schema: {
            fields: {
              shop: { type: 'string', required: true },
              number: { type: 'integer', required: true },
              total: { type: 'decimal' },
              at: { type: 'any' },
            },
            additionalFields: 'refuse',
          },
        },
        clicks: {},
      },
    },
    till: { connector: 'http', entities: { receipts: { key: 'id' } } },
    kiosk: { connector: 'http', entities: { receipts: { key: 'id' } } },
  },
});

const silent = new Proxy({}, { get: () => () => undefined }) as Telemetry;

/** Takes what it is sent, as `behave` lets it. */
export class FakeKafka {
  readonly sends: OutgoingRecord[][] = [];
  behave: () => Promise<void> = async () => undefined;
  get records(): OutgoingRecord[] {
    return this.sends.flat();
  }
  get events(): Record<string, unknown>[] {
    return this.records.map((record) => JSON.parse(String(record.value)));
  }
  async send(records: readonly OutgoingRecord[]): Promise<void> {
    await this.behave();
    this.sends.push([...records]);
  }
  async close(): Promise<void> {}
}

export interface IngestWorld {
  readonly kafka: FakeKafka;
  readonly store: ReturnType<typeof memoryIngestStore>;
  readonly url: string;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The connector behind a real HTTP server, before a Kafka that does as it is told. */
export async function openIngestWorld(limits: Partial<HttpIngestLimits> = {}): Promise<IngestWorld> {
  const kafka = new FakeKafka();
  const store = memoryIngestStore();
  const ingest = createHttpIngest({
    types: ingestTypesOf(sources),
    producer: kafka,
    ingestStore: store,
    clock: systemClock,
    telemetry: silent,
    topics: topicNames(),
    codecs: jsonCodecs({ recordBytesMax: 100_000, nestingMax: 20 }),
    partitionsOf: () => 4,
    limits: { bodyBytesMax: 200_000, batchRecordsMax: 10, ...limits },
  });
  const server = createServer(express().use(ingest.router));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => closeServer(server), ingest.close);
  return { kafka, store, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

export interface IngestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { id: string; ids: string[]; correlationId: string } & Problem;
}

export async function post(
  world: IngestWorld,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<IngestAnswer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(world.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? (body as string) : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text === '' ? '{}' : text) };
}

export const ada = { name: 'Ada', email: 'ada@example.com' };
