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
const identify = 'stream-processors/identify.ts';
const binding = 'core/identity/binding.ts';
const book = 'core/identity/identity-book.ts';

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
const wrongPlace = /is of no record that stands there/;
const wrongPlaceOrLost = new RegExp(`${wrongPlace.source}|${lostChange.source}`);

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
        text: '    forward.push(record);\n    // A late older record',
        instead: `    if (before === undefined && record.replayOf === undefined && globalThis.storedFingerprint(plan, record) === record.fingerprint) {
      unchanged.push(offset);
      continue;
    }
    forward.push(record);
    // A late older record`,
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
        text: '(!decision && before?.position && !isAfter(record.position, before.position))',
        instead: 'before === null',
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
  'the entity that a record leaves is not told': {
    mutations: [
      mutation(identify, {
        text: "return record.kind === 'rejoin' ? done(record) : { kind: 'departure', cause: record, move: result };",
        instead:
          "return record.kind !== 'change' ? done(record) : { ...record, entityId: result.to, tenure: 0, inTransit: false };",
      }),
    ],
    seenAs: wrongPlace,
  },
  'what an entity knew of a record that left it is not sent on': {
    mutations: [
      mutation(publisher, { text: 'return [...letters, ...forgets, ...rejoins];', instead: 'return [...letters, ...forgets];' }),
    ],
    seenAs: lostChange,
  },
  'what was known of a record before it moved is dropped': {
    mutations: [
      mutation(identify, {
        text: "return record.kind === 'relink' || record.rejoin.state === null ? done(record) : { ...record, entityId, tenure };",
        instead: 'return done(record);',
      }),
    ],
    seenAs: lostChange,
  },
  'a binding is looked up as it is, whatever the offset': {
    mutations: [
      mutation(binding, {
        text: 'if (binding === undefined || offset > binding.seenOffset) return undefined;',
        instead: 'return undefined;',
      }),
    ],
    seenAs: wrongSum,
  },
  'a refusal to bind is judged anew': {
    mutations: [
      mutation(binding, {
        text: "if (at?.reason === 'conflict') return { kind: 'conflict', matchKey: at.matchKey ?? '', heldBy: at.heldBy ?? '' };",
        instead: '',
      }),
    ],
    seenAs: wrongSum,
  },
  'the filter keeps what it knew of a record over its move': {
    mutations: [
      mutation(diff, {
        text: '      forget(latest, key, offset);\n      forward.push(record);\n',
        instead: '      forward.push(record);\n',
      }),
      mutation(diff, { text: '!record.inTransit && ', instead: '' }),
      mutation(diff, { text: 'if (record.inTransit) forget(latest, key, offset);\n    else if', instead: 'if' }),
    ],
    seenAs: lostChange,
  },
  'a record takes the place of another that has not left yet': {
    mutations: [
      mutation(book, {
        text: ' ?? this.#pages.leaving(entityId, source).find((leaver) => leaver !== key)',
        instead: '',
      }),
    ],
    seenAs: wrongPlaceOrLost,
  },
  'records of one source that follow each other are told apart by their positions alone': {
    mutations: [
      mutation(decide, { text: 'tenure < (tenant.tenure ?? 0)', instead: 'false' }),
      mutation(decide, { text: 'tenure > (tenant.tenure ?? 0) ? undefined : tenant', instead: 'false ? undefined : tenant' }),
    ],
    seenAs: wrongPlaceOrLost,
  },
  'a change that moves its record is carried on though the tables have it': {
    mutations: [mutation(decide, { text: '&& !known && isNewest;', instead: '&& isNewest;' })],
    seenAs: lostChange,
  },
};
