import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CanonicalRecord, ChangeEvent, Checksum, EntityId, EventId, GoldenRecord } from '../../core/change-event.ts';
import { isSyncError } from '../../core/errors.ts';
import { type JsonObject, numberFromText } from '../../core/json.ts';
import type { PayloadName, PayloadTypes, RecordCodec, RecordCodecs } from '../../core/ports/record-codec.ts';
import { positionOf } from '../../core/position.ts';

export interface RecordCodecsHarness {
  /** With `recordBytesMax` 20,000 and `nestingMax` 8. */
  readonly codecs: RecordCodecs;
  close(): Promise<void>;
}

export const recordBytesMax = 20_000;
export const nestingMax = 8;

export function describeRecordCodecs(name: string, open: () => Promise<RecordCodecsHarness>): void {
  describe(`${name} as record codecs`, () => {
    let harness: RecordCodecsHarness;
    const topicOf = (payload: PayloadName) => `codec.${payload}`;
    const codecFor = <N extends PayloadName>(payload: N) => harness.codecs.for(payload, topicOf(payload));

    beforeAll(async () => {
      harness = await open();
    });
    afterAll(() => harness.close());

    for (const payload of ['change', 'canonical', 'golden'] as const) {
      it(`gives a ${payload} back as it was`, async () => {
        const codec = await codecFor(payload);
        for (const sample of samples[payload]) expect(await roundTrip(codec, sample as never)).toEqual(sample);
      });

      it(`of bytes that are no ${payload} says so and nothing else`, async () => {
        const codec = await codecFor(payload);
        const valid = Buffer.from(codec.encode(samples[payload][0] as never));
        const hostile = fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
          fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, byte]) => Buffer.from(valid).fill(byte, at, at + 1)),
          fc.nat(valid.length).map((length) => valid.subarray(0, length)),
          fc.json().map((text) => Buffer.from(text)),
        );
        await fc.assert(
          fc.asyncProperty(hostile, async (bytes) => {
            await codec.prepare?.([bytes]);
            try {
              codec.decode(bytes);
            } catch (error) {
              expect(isSyncError(error), String(error)).toBe(true);
            }
          }),
          { numRuns: 300 },
        );
      });
    }

    it('keeps every digit of every number', async () => {
      const codec = await codecFor('change');
      const data = { id: numberFromText('9007199254740993')!, price: numberFromText('0.1000000000000000000001')!, plain: 12.5 };
      const decoded = await roundTrip(codec, { ...change, data });
      expect(decoded.data).toEqual(data);
    });

    it('gives any JSON record back as it was', async () => {
      const codec = await codecFor('change');
      const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => value.isWellFormed() && !value.includes('\0'));
      const field = text.filter((value) => value !== '__proto__');
      const leaf = fc.oneof(
        text,
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
      );
      const value = fc.oneof(
        leaf,
        fc.array(leaf, { maxLength: 3 }),
        fc.dictionary(field, leaf, { maxKeys: 3, noNullPrototype: true }),
      );
      const record = fc.dictionary(field, value, { maxKeys: 6, noNullPrototype: true });
      await fc.assert(
        fc.asyncProperty(record, async (data) => {
          const decoded = await roundTrip(codec, { ...change, data: data as JsonObject });
          expect(JSON.stringify(decoded.data)).toBe(JSON.stringify(data));
        }),
      );
    });

    it('refuses text that no database takes, and names the field', async () => {
      const codec = await codecFor('change');
      const refused = (payload: ChangeEvent) => thrownBy(() => codec.encode(payload));
      const nul = { ...change, data: { list: [{ name: 'a\0b' }] } };
      expect(refused(nul)).toMatchObject({ code: 'record.unstorable-text', details: { field: 'data.list.0.name' } });
      const surrogate = { ...change, key: 'half \ud800' };
      expect(refused(surrogate)).toMatchObject({ code: 'record.unstorable-text', details: { field: 'key' } });
      const name = { ...change, data: { 'a\0b': 1 } };
      expect(refused(name)).toMatchObject({ code: 'record.unstorable-text' });
    });

    it('refuses what is too large or too deep, before it is sent and after it arrived', async () => {
      const codec = await codecFor('change');
      const large = { ...change, data: { text: 'x'.repeat(recordBytesMax) } };
      expect(thrownBy(() => codec.encode(large))).toMatchObject({ code: 'record.too-large' });
      expect(thrownBy(() => codec.decode(Buffer.alloc(recordBytesMax + 1)))).toMatchObject({ code: 'record.too-large' });
      expect(thrownBy(() => codec.encode({ ...change, data: nested(nestingMax + 1) }))).toMatchObject({
        code: 'record.too-deep',
      });
      const deepest = { ...change, data: nested(nestingMax) };
      expect(await roundTrip(codec, deepest)).toEqual(deepest);
    });

    it('names the field that is at fault', async () => {
      const faults = {
        eventId: ['17', 'x'],
        source: [''],
        operation: ['upsert', ''],
        position: ['0001', '00000001:', '0000000g:1', '00000001:a b'],
        occurredAt: [
          '2026-02-29T00:00:00Z',
          '2026-01-01',
          '2026-01-01T00:00:00+01:00',
          '0000-01-01T00:00:00Z',
          '2026-01-01T24:00:00Z',
        ],
        correlationId: [''],
        data: [null],
      };
      const codec = await codecFor('change');
      for (const [field, values] of Object.entries(faults)) {
        for (const value of values) {
          const bytes = Buffer.from(codec.encode({ ...change, [field]: value }));
          expect(
            thrownBy(() => codec.decode(bytes)),
            `${field} ${value}`,
          ).toMatchObject({ code: 'record.malformed', details: { field } });
        }
      }
    });

    it('takes a delete that knows only its key', async () => {
      const codec = await codecFor('change');
      const deletion: ChangeEvent = { ...change, operation: 'delete', data: null };
      expect(await roundTrip(codec, deletion)).toEqual(deletion);
    });
  });
}

async function roundTrip<P>(codec: RecordCodec<P>, payload: P): Promise<P> {
  const bytes = Buffer.from(codec.encode(payload));
  await codec.prepare?.([bytes]);
  return codec.decode(bytes);
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

function nested(levels: number): JsonObject {
  return levels === 1 ? { leaf: true } : { inner: nested(levels - 1) };
}

export const change: ChangeEvent = {
  eventId: '0199a1b2-c3d4-8abc-9def-0123456789ab' as EventId,
  source: 'shop-eu',
  kind: 'product',
  key: 'SKU-1',
  operation: 'update',
  position: positionOf(1, '0000000000000017'),
  occurredAt: '2026-11-21T10:20:30.123Z',
  correlationId: 'request-17',
  data: { sku: 'SKU-1', name: 'Schön 😀', price: 19.95, tags: ['a', null, true], size: { width: 1 } },
};

const canonical: CanonicalRecord = {
  ...change,
  sourceType: 'SHOPIFY',
  entityId: 'product:SKU-1' as EntityId,
  receivedAtMs: 1_795_000_000_000,
  checksum: 'ab'.repeat(32) as Checksum,
  origin: { topic: 'source.shop-eu.product', partition: 3, offset: 2 ** 52 },
};

const golden: GoldenRecord = {
  entityId: 'product:SKU-1' as EntityId,
  kind: 'product',
  version: { epoch: 1, n: 4_294_967_297 },
  deleted: false,
  data: { name: 'Shirt' },
  eventId: change.eventId,
  updatedAt: '2026-11-21T10:20:30Z',
};

const samples: { readonly [N in PayloadName]: readonly PayloadTypes[N][] } = {
  change: [change, { ...change, operation: 'snapshot', data: {} }],
  canonical: [
    canonical,
    { ...canonical, replayOf: change.eventId },
    { ...canonical, operation: 'delete', data: null, checksum: null },
  ],
  golden: [golden, { ...golden, deleted: true, data: null }],
};
