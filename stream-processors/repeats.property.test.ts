import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeEvent, EventId } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { compileEntityPlan } from '../core/entity-plan.ts';
import { entityIdOf } from '../core/identity/identity.ts';
import type { JsonObject } from '../core/json.ts';
import type { LogRecord } from '../core/ports/event-log.ts';
import type { CacheEntry } from '../core/ports/state-cache.ts';
import { orderOf, positionOf } from '../core/position.ts';
import { topicNames } from '../core/topics.ts';
import { type DiffVerdicts, diff } from './diff.ts';
import type { IdentifiedChange, IdentifiedRecord } from './identify.ts';
import { normalise } from './normalise.ts';
import { glimpseOf, takeRepeats } from './repeats.ts';

const codec = await jsonCodecs().for('change', 'source.shop.products');
const keys = ['a', 'b', 'ключ'];
const values: readonly JsonObject[] = [{ n: 1 }, { n: 1 }, { n: 1, m: 'x' }, { n: 2 }];
const firstOffset = 100;

interface Drawn {
  readonly key: number;
  readonly value: number;
  readonly position: number;
  readonly shape: 'change' | 'delete' | 'delete with data' | 'replay' | 'forget' | 'poison' | 'stranger';
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  key: fc.nat(keys.length - 1),
  value: fc.constantFrom(0, 0, 0, 0, 1, 2, 3),
  position: fc.nat(20),
  shape: fc.constantFrom(
    'change',
    'change',
    'change',
    'change',
    'delete',
    'delete with data',
    'replay',
    'forget',
    'poison',
    'stranger',
  ),
});
const drawnEntry = fc.record({
  value: fc.constantFrom(0, 0, 0, 0, 1, 2, 3),
  position: fc.nat(5),
  offset: fc.integer({ min: firstOffset - 20, max: firstOffset + 4 }),
  settled: fc.constantFrom(true, true, true, false),
});

function recordOf({ key, value, position, shape }: Drawn, at: number): LogRecord {
  const event: ChangeEvent = {
    eventId: `00000000-0000-8000-8000-${String(at).padStart(12, '0')}` as EventId,
    source: shape === 'stranger' ? 'elsewhere' : 'shop',
    kind: 'products',
    key: keys[key]!,
    operation: shape.startsWith('delete') ? 'delete' : 'update',
    position: positionOf(1, orderOf(position)),
    occurredAt: '2026-03-01T10:00:00Z',
    correlationId: 'test',
    data: shape === 'delete' ? null : values[value]!,
  };
  const headers: Record<string, string> = {};
  if (shape === 'replay') headers[rawHeaders.replayOf] = '11111111-1111-8111-8111-111111111111';
  if (shape === 'forget') headers[rawHeaders.control] = 'forget';
  const bytes = Buffer.from(codec.encode(event));
  return {
    offset: firstOffset + at,
    key: event.key,
    value: shape === 'forget' ? null : shape === 'poison' ? bytes.subarray(0, -1) : bytes,
    headers,
    timestampMs: 0,
  };
}

describe('repeats taken out before they are read', () => {
  for (const ordered of [true, false]) {
    const plan = compileEntityPlan(
      { source: 'shop', sourceType: 'SHOP', kind: 'products', ordered, compare: { ignore: ['m'] } as never },
      topicNames(''),
    );
    it(`the filter comes to the same verdicts with them and without, ordered: ${ordered}`, () => {
      let repeatsSeen = 0;
      fc.assert(
        fc.property(
          fc.array(drawn, { maxLength: 12 }),
          fc.array(fc.option(drawnEntry, { freq: 9 }), { minLength: keys.length, maxLength: keys.length }),
          fc.constantFrom(0, 0, 0, 1, 2, 5),
          fc.array(fc.nat(5), { maxLength: 3 }),
          (draws, entries, announcedRecords, stoppedBefore) => {
            const records = draws.map(recordOf);
            const cached = new Map<string, CacheEntry>();
            entries.forEach((entry, key) => {
              if (entry === null) return;
              const data = values[entry.value]!;
              const like = recordOf({ key, value: entry.value, position: entry.position, shape: 'change' }, 0);
              cached.set(keys[key]!, {
                fingerprint: plan.comparison.fingerprint(plan.mapping.map(data)),
                digest: codec.glance!(like.value!)!.digest,
                offset: entry.offset,
                position: positionOf(1, orderOf(entry.position)),
                settled: entry.settled,
              });
            });
            const through = firstOffset + announcedRecords;
            const stopped = new Set(stoppedBefore.map((at) => firstOffset + at).filter((offset) => offset < through));
            const announced = { through, stopped };
            const judge = (some: readonly LogRecord[]) => {
              const identified = some.map((record): IdentifiedRecord => {
                const normalised = normalise(plan, 0, codec, glimpseOf(codec, record), 0);
                return normalised.kind === 'change'
                  ? { ...normalised, entityId: entityIdOf('products', normalised.event.key), tenure: 0, inTransit: false }
                  : (normalised as IdentifiedRecord);
              });
              return diff({ plan, records: identified, cached, announced, confirmed: new Set() });
            };
            const whole = judge(records);
            const { rest, repeats } = takeRepeats(
              plan,
              records.map((record) => glimpseOf(codec, record)),
              cached,
              announced,
            );
            const reduced = judge(rest.map(({ record }) => record));
            repeatsSeen += repeats.length;
            expect([...repeats, ...reduced.unchanged].sort()).toEqual([...whole.unchanged].sort());
            const offsetsOf = ({ forward }: DiffVerdicts) => forward.map((one) => (one as IdentifiedChange).record.offset);
            expect(offsetsOf(reduced)).toEqual(offsetsOf(whole));
            expect(reduced.writes).toEqual(whole.writes);
          },
        ),
        { numRuns: 5_000 },
      );
      if (ordered) expect(repeatsSeen).toBeGreaterThan(300);
      else expect(repeatsSeen).toBe(0);
    });
  }

  it('a change that holds what looks like data in its key is read the long way or rightly', () => {
    const record = recordOf({ key: 0, value: 0, position: 1, shape: 'change' }, 0);
    const odd = Buffer.from(
      record.value!.toString().replace('"correlationId":"test"', '"extra":{"x":1,"data":{"n":1}},"correlationId":"test"'),
    );
    expect(codec.decode(odd).data).toEqual({ n: 1 });
    expect(codec.glance!(odd)?.envelope()).toBeUndefined();
  });
});
