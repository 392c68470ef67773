import type { EntityId } from '../../core/change-event.ts';
import type { EntityPlan } from '../../core/entity-plan.ts';
import type { Mutation } from './mutant.ts';
import type { World } from './world.ts';

const processor = 'stream-processors/processor-worker.ts';
const diff = 'stream-processors/diff.ts';
const session = 'stream-processors/cache-session.ts';
const syncWorker = 'sync-manager/sync-worker.ts';
const decide = 'sync-manager/decide.ts';
const publisher = 'sync-manager/publisher.ts';
const stateCache = 'adapters/memory/state-cache.ts';
const syncStore = 'adapters/memory/sync-store.ts';

function mutation(file: string, ...patches: Mutation['patches']): Mutation {
  return { file, patches };
}

const send = 'await this.#producers.send([...messages, ...deadLetterMessages(letters, this.#deps.deadLetters)]);';
const writeStates = 'await held.session.write(held.lease, [...verdicts.writes, ...rejected.map(forgetting)]);';
const settle = 'await this.#settle(held, batch.nextOffset, { forwarded: messages.length, stopped, refused });';
const seek = "if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };";
const isMarked = 'if (!this.#isMark(this.#server.markOf(ticket), ticket.token, ticket.era))';

const writtenBeforeSent = mutation(
  processor,
  { text: send, instead: writeStates },
  { text: `    ${writeStates}\n    const filtered`, instead: `    ${send}\n    const filtered` },
);
const offsetIgnored = mutation(diff, {
  text: 'return entry !== undefined && entry.offset < offset ? entry : undefined;',
  instead: 'return entry;',
});
const positionIgnored = mutation(diff, {
  text: 'const newer = before !== undefined && isAfter(record.event.position, before.position);',
  instead: 'const newer = before !== undefined;',
});
const announcementIgnored = mutation(processor, {
  text: 'const announced = { through: lease.claimedThrough, stopped: new Set(lease.stoppedAhead) };',
  instead: 'const announced = { through: 0, stopped: new Set<number>() };',
});

const unproved = mutation(diff, {
  text: 'before.settled || (inBatch === undefined && confirmed.has(key))',
  instead: 'before !== null',
});
const failureForgotten = mutation(publisher, { text: '      this.#doubtful.set(partitionId(lease), doubtful);\n', instead: '' });

export interface Breach {
  readonly mutations: readonly Mutation[];
  /** Gives the mutant what the product would have to ask for. */
  readonly prepare?: (world: World) => void;
  /** What the checker says then. */
  readonly seenAs: RegExp;
}

const lostChange = /: last .* but stored /;
const wrongSum = /sum is wrong/;
const wrongLast = /the last record on the resolved topic/;
const wrongForAll = /a consumer on the resolved topic/;
const noRest = /does not come to rest/;

/**
 * By the promise that is broken. Where one line of defence stands behind another, so that the loss of one alone does no
 * harm, all of them are taken away: a state written too early harms only who trusts the trace of a record it gets again.
 */
export const breaches: Readonly<Record<string, Breach>> = {
  'states are cached before the changes are acknowledged, and a redelivery trusts its own trace': {
    mutations: [writtenBeforeSent, offsetIgnored, positionIgnored, announcementIgnored, unproved],
    seenAs: lostChange,
  },
  'a late repeat takes the place of the newest state in the cache, unproved': {
    mutations: [positionIgnored, unproved],
    seenAs: lostChange,
  },
  'an entry is trusted before the tables prove it': { mutations: [unproved], seenAs: lostChange },
  'an entry is trusted though a newer change of its key may be replayed': {
    mutations: [mutation(decide, { text: 'this.#refused.push(refusedChange(letter, record.position));\n', instead: '' })],
    seenAs: lostChange,
  },
  'the processor does not write down what it refused': {
    mutations: [mutation(processor, { text: 'stopped, refused });', instead: 'stopped });' })],
    seenAs: lostChange,
  },
  'what an owner announced is decided anew by the next one': { mutations: [announcementIgnored], seenAs: wrongSum },
  'offsets are settled before the changes are sent': {
    mutations: [
      mutation(
        processor,
        { text: send, instead: settle },
        { text: `    ${settle}\n    return`, instead: `    ${send}\n    return` },
      ),
    ],
    seenAs: lostChange,
  },
  'a miss in the cache falls back on the stored state': {
    mutations: [
      mutation(diff, {
        text: '    forward.push(record);\n',
        instead: `    if (before === undefined && record.replayOf === undefined && globalThis.storedFingerprint(plan, record) === record.fingerprint) {
      unchanged.push(offset);
      continue;
    }
    forward.push(record);
`,
      }),
    ],
    prepare(world) {
      const storedFingerprint = (plan: EntityPlan, record: { entityId: EntityId }) => {
        const row = world.syncRows.stateOf(record.entityId, plan.sourceType);
        return row?.deleted ? 'deleted' : row?.checksum;
      };
      Object.assign(globalThis, { storedFingerprint });
    },
    seenAs: lostChange,
  },
  'a broken era goes on': {
    mutations: [
      mutation(session, {
        text: 'const renewed = await this.#ledger.beginEra(lease);',
        instead: 'const renewed = lease;',
      }),
    ],
    seenAs: lostChange,
  },
  'cached states are read whoever the server is': {
    mutations: [mutation(stateCache, { text: `${isMarked} return { trusted: false, entries: [] };`, instead: '' })],
    seenAs: lostChange,
  },
  'a zombie writes its states into the cache': {
    mutations: [mutation(stateCache, { text: `${isMarked} return false;`, instead: '' })],
    seenAs: lostChange,
  },
  'a server that was set back passes for the same server': {
    mutations: [mutation(stateCache, { text: ' && found.server === this.#server.identity', instead: '' })],
    seenAs: lostChange,
  },
  'entries outlive their era': {
    mutations: [
      mutation(stateCache, { text: 'stored?.era === ticket.era ? stored.entry : null', instead: 'stored?.entry ?? null' }),
    ],
    seenAs: lostChange,
  },
  'the outbox is left out': {
    mutations: [
      mutation(syncWorker, {
        text: 'written: await this.#deps.store.write(held.lease, reach, effects)',
        instead:
          'written: await this.#deps.store.write(held.lease, reach, { ...effects, outbox: { resolved: [], deadLetters: [], forgets: [] } }).then((written) => written && { ...written, outboxId: 0 })',
      }),
    ],
    seenAs: wrongForAll,
  },
  'the offset moves without a compare-and-set': {
    mutations: [
      mutation(syncStore, {
        text: 'return progress.token === lease.token && progress.nextOffset === lease.nextOffset;',
        instead: 'return true;',
      }),
    ],
    seenAs: wrongSum,
  },
  'a change that comes late takes the place of a newer one': {
    mutations: [
      mutation(decide, {
        text: 'if (!decision && before?.position && !isAfter(record.position, before.position)) {',
        instead: 'if (before === null) {',
      }),
    ],
    seenAs: lostChange,
  },
  'events are not looked up before they are counted': {
    mutations: [
      mutation(decide, {
        text: "if (this.#seen.has(record.eventId) || this.#input.known.has(record.eventId)) return { outcome: 'duplicate' };",
        instead: '',
      }),
    ],
    seenAs: noRest,
  },
  'the processor takes what it gets for what it asked': {
    mutations: [mutation(processor, { text: seek, instead: '' })],
    seenAs: wrongSum,
  },
  'the sync manager takes what it gets for what it asked': {
    mutations: [mutation(syncWorker, { text: seek, instead: '' })],
    seenAs: wrongSum,
  },
  'records that were sent again are counted again': {
    mutations: [mutation(syncWorker, { text: 'if (origin.offset <= (through.get(id) ?? -1)) continue;', instead: '' })],
    seenAs: wrongSum,
  },
  'the outbox of the owner before is not drained': {
    mutations: [
      mutation(syncWorker, { text: '    await publisher.drain(lease, line);\n', instead: '' }),
      mutation(syncWorker, { text: 'await this.#deps.publisher.drain(await this.#deps.store.acquire(ref), line);', instead: '' }),
    ],
    seenAs: wrongForAll,
  },
  'the outbox is cleared before it is published': {
    mutations: [
      mutation(publisher, {
        text: '      await this.#producers.send([...this.#goldenMessages(line, golden), ...this.#noticeMessages(outbox)]);\n      await this.#clear(lease, line, [rowId], golden);\n',
        instead:
          '      await this.#clear(lease, line, [rowId], golden);\n      await this.#producers.send([...this.#goldenMessages(line, golden), ...this.#noticeMessages(outbox)]);\n',
      }),
    ],
    seenAs: wrongForAll,
  },
  'a zombie leaves its old version last on the resolved topic': {
    mutations: [mutation(publisher, { text: '    await this.#repair(line, published);\n', instead: '' }), failureForgotten],
    seenAs: wrongLast,
  },
  'a publication that failed is forgotten': { mutations: [failureForgotten], seenAs: wrongLast },
};
