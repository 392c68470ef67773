import assert from 'node:assert/strict';
import type { CanonicalRecord, EntityId, EventId } from '../core/change-event.ts';
import { conflictRulesSchema } from '../core/config/conflict-policy.ts';
import type { GoldenRow } from '../core/conflict/conflict.ts';
import { type ConflictView, type Resolution, resolve } from '../core/conflict/engine.ts';
import { type ConflictPolicy, compileConflictPolicy } from '../core/conflict/policy.ts';
import type { JsonObject } from '../core/json.ts';
import { orderOf, positionOf } from '../core/position.ts';
import type { Result, Scenario } from './scenario.ts';

const fieldCount = 20;
const entities = 500;
const repeats = 20;
const beginningMs = Date.UTC(2026, 5, 1);
const sources = ['erp', 'shop'].map((name) => ({ name, type: name.toUpperCase() }));

/** The pure conflict engine alone, on one core: two sources speak of each entity, records have twenty fields. */
export const engine: Scenario = {
  name: 'engine',
  promise: '300,000 changes/s resolved on one core without conflict, 100,000/s with one each',
  async run({ quick }) {
    const rounds = quick ? 5 : 100;
    return [
      measure('engine-quiet', 300_000, rounds, (round) => ({ source: 'ERP', fields: [round % fieldCount] })),
      // Each round the two sources take turns in changing the same field, without having seen the other.
      measure('engine-conflict', 100_000, rounds, (round) => ({ source: round % 2 === 0 ? 'ERP' : 'SHOP', fields: [3] })),
    ];
  },
};

interface Plan {
  readonly source: string;
  readonly fields: readonly number[];
}

function measure(scenario: string, atLeast: number, rounds: number, planOf: (round: number) => Plan): Result {
  const policy = compileConflictPolicy('product', conflictRulesSchema.parse({ default: 'newest_wins' }), sources);
  const views = Array.from({ length: entities }, (_unused, entity) => firstSights(policy, entity));
  const warmUp = Math.ceil(rounds / 5);
  let [seconds, cpuSeconds, conflicts] = [0, 0, 0];
  for (let round = 0; round < warmUp + rounds; round++) {
    const plan = planOf(round);
    const changes = views.map((view, entity) => changeOf(view, entity, round, plan));
    const [began, cpuBegan] = [performance.now(), process.threadCpuUsage()];
    // The engine is pure: the same questions again cost the same, and what is collected meanwhile is mostly its own garbage.
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (let entity = 0; entity < entities; entity++) {
        const { conflicts: begun } = resolve(policy, views[entity]!, changes[entity]!);
        if (round >= warmUp) conflicts += begun.length;
      }
    }
    if (round >= warmUp) {
      seconds += (performance.now() - began) / 1_000;
      const { user, system } = process.threadCpuUsage(cpuBegan);
      cpuSeconds += (user + system) / 1e6;
    }
    for (let entity = 0; entity < entities; entity++) {
      views[entity] = nextView(views[entity]!, resolve(policy, views[entity]!, changes[entity]!));
    }
  }
  const resolved = rounds * repeats * entities;
  assert(scenario === 'engine-quiet' ? conflicts === 0 : conflicts === resolved, `${conflicts} conflicts in ${resolved} changes`);
  return {
    scenario,
    value: resolved / cpuSeconds,
    unit: 'changes per CPU second of one thread',
    wanted: { atLeast },
    baseline: null,
    ratio: null,
    rssMB: null,
    notes: {
      'fields of a record': fieldCount,
      conflicts,
      'by the clock, others on the machine included': Math.round(resolved / seconds),
    },
  };
}

function firstSights(policy: ConflictPolicy, entity: number): ConflictView {
  const data = Object.fromEntries(Array.from({ length: fieldCount }, (_unused, field) => [`field_${field}`, valueIn(field, 0)]));
  let view: ConflictView = { golden: undefined, rows: [] };
  for (const { type } of sources) view = nextView(view, resolve(policy, view, recordOf(entity, type, 0, data)));
  return view;
}

function changeOf(view: ConflictView, entity: number, round: number, { source, fields }: Plan): CanonicalRecord {
  const before = view.rows.find(({ sourceType }) => sourceType === source)!.data!;
  // A record from a topic is an object of its own.
  const data = JSON.parse(JSON.stringify(before)) as JsonObject;
  for (const field of fields) data[`field_${field}`] = valueIn(field, round + 1);
  return recordOf(entity, source, round + 1, data);
}

function valueIn(field: number, version: number): string | number {
  return field % 3 === 0 ? version * 100 + field : `value ${field} of version ${version}`;
}

function recordOf(entity: number, sourceType: string, round: number, data: JsonObject): CanonicalRecord {
  const number = round * entities + entity;
  const id = number.toString(16).padStart(12, '0');
  return {
    eventId: `${id.slice(0, 8)}-${id.slice(8)}-8000-8000-${sourceType === 'ERP' ? '0' : '1'}${id.slice(1)}` as EventId,
    source: sourceType.toLowerCase(),
    sourceType,
    kind: 'product',
    key: String(entity),
    entityId: `product:${entity}` as EntityId,
    operation: round === 0 ? 'snapshot' : 'update',
    position: positionOf(0, orderOf(number)),
    occurredAt: new Date(beginningMs + number).toISOString(),
    receivedAtMs: beginningMs + number,
    correlationId: 'bench',
    checksum: null,
    data,
    origin: { topic: 'bench', partition: 0, offset: number },
  };
}

/** As it comes back from the tables: every object made anew from JSON, which is also the form that V8 reads fastest. */
function nextView(view: ConflictView, { row, golden }: Resolution): ConflictView {
  const goldenRow: GoldenRow = {
    ...row!,
    sourceType: 'GOLDEN',
    version: (view.golden?.version ?? 0) + 1,
    position: null,
    deleted: golden.deleted,
    data: golden.data,
    voice: golden.voice,
  };
  const rows = [...view.rows.filter(({ sourceType }) => sourceType !== row!.sourceType), row!];
  return JSON.parse(JSON.stringify({ golden: goldenRow, rows })) as ConflictView;
}
