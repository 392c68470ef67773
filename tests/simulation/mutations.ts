import type { Mutation } from './mutant.ts';

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

const send = 'await this.#send([...messages, ...this.#letterMessages(letters)]);';
const writeStates = 'await held.session.write(held.lease, [...verdicts.writes, ...rejected.map(forgetting)]);';
const settle = 'await this.#settle(held, batch.nextOffset, { forwarded: messages.length, stopped });';

const offsetIgnored = mutation(diff, {
  text: 'return entry !== undefined && entry.offset < offset ? entry : undefined;',
  instead: 'return entry;',
});
const positionIgnored = mutation(diff, {
  text: 'const newer = before !== undefined && isAfter(record.event.position, before.position);',
  instead: 'const newer = before !== undefined;',
});
const settledIgnored = mutation(diff, {
  text: 'const settled = before !== undefined && (before.settled || (inBatch === undefined && confirmed.has(key)));',
  instead: 'const settled = before !== undefined;',
});
const announcementIgnored = mutation(processor, {
  text: 'const announced = { through: lease.claimedThrough, stopped: new Set(lease.stoppedAhead) };',
  instead: 'const announced = { through: 0, stopped: new Set<number>() };',
});
const writtenBeforeSent = mutation(
  processor,
  { text: send, instead: writeStates },
  { text: `    ${writeStates}\n    const filtered`, instead: `    ${send}\n    const filtered` },
);

/** By the promise that is broken. Where one line of defence hides behind another, both are taken away. */
export const mutations: Readonly<Record<string, readonly Mutation[]>> = {
  m1c: [positionIgnored],
  m1d: [settledIgnored],
  m1k: [writtenBeforeSent, settledIgnored, offsetIgnored, announcementIgnored],
  m1l: [offsetIgnored, positionIgnored, announcementIgnored],
  m1m: [writtenBeforeSent, offsetIgnored, positionIgnored, announcementIgnored],
  m1n: [writtenBeforeSent, offsetIgnored, announcementIgnored],
  'settles before it has sent': [
    mutation(
      processor,
      { text: send, instead: settle },
      { text: `    ${settle}\n    return`, instead: `    ${send}\n    return` },
    ),
  ],
  'broken era not recorded': [
    mutation(session, {
      text: "if (this.#state.kind !== 'broken') return lease;",
      instead: "if (this.#state.kind !== 'broken' || lease) return lease;",
    }),
  ],
  'outbox left out': [
    mutation(syncWorker, {
      text: 'return { effects, outboxId: await transaction.write(effects) };',
      instead:
        'await transaction.write({ ...effects, outbox: { resolved: [], deadLetters: [], forgets: [] } });\n    return { effects, outboxId: 0 };',
    }),
  ],
  'cas left out': [
    mutation(syncStore, {
      text: 'return progress.token === lease.token && progress.nextOffset === lease.nextOffset;',
      instead: 'return true;',
    }),
  ],
  'mark ignored on read': [
    mutation(stateCache, {
      text: 'if (!this.#isMark(this.#server.markOf(ticket), ticket.token, ticket.era)) return { trusted: false, entries: [] };',
      instead: '',
    }),
  ],
  'mark ignored on write': [
    mutation(stateCache, {
      text: 'if (!this.#isMark(this.#server.markOf(ticket), ticket.token, ticket.era)) return false;',
      instead: '',
    }),
  ],
  'server ignored': [mutation(stateCache, { text: ' && found.server === this.#server.identity', instead: '' })],
  'token ignored': [mutation(stateCache, { text: 'found.token === token && ', instead: '' })],
  'era ignored': [
    mutation(
      stateCache,
      { text: 'found.era === era && ', instead: '' },
      { text: 'stored?.era === ticket.era ? stored.entry : null', instead: 'stored?.entry ?? null' },
    ),
  ],
  'entry era ignored': [
    mutation(stateCache, { text: 'stored?.era === ticket.era ? stored.entry : null', instead: 'stored?.entry ?? null' }),
  ],
  stale: [
    mutation(decide, {
      text: 'if (before?.position && !isAfter(record.position, before.position)) {',
      instead: 'if (before === null) {',
    }),
  ],
  'position of unchanged not kept': [
    mutation(decide, {
      text: 'put(entity, { ...stateOf(record, deleted), version: same ? before.version : (before?.version ?? 0) + 1 });\n',
      instead: 'if (!same) put(entity, { ...stateOf(record, deleted), version: (before?.version ?? 0) + 1 });\n',
    }),
  ],
  'duplicates not looked up': [
    mutation(decide, { text: "if (isKnown) return { outcome: 'duplicate', goldenMoved: false };", instead: '' }),
  ],
  'fetched offset p': [
    mutation(processor, {
      text: "if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };",
      instead: '',
    }),
  ],
  'fetched offset s': [
    mutation(syncWorker, {
      text: "if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };",
      instead: '',
    }),
  ],
  'resent counted': [
    mutation(syncWorker, { text: 'if (record.origin.offset <= (through.get(id) ?? -1)) continue;', instead: '' }),
  ],
  drain: [mutation(syncWorker, { text: '    await publisher.drain(lease, line);\n', instead: '' })],
  repair: [mutation(publisher, { text: 'if (!held) await this.#repair(line, published);', instead: 'assertHeld(held);' })],
  'clear before send': [
    mutation(publisher, {
      text: 'await this.#send([...this.#goldenMessages(line, golden), ...this.#noticeMessages(outbox)]);\n    await this.#clear(lease, line, [rowId], golden);',
      instead:
        'await this.#clear(lease, line, [rowId], golden);\n    await this.#send([...this.#goldenMessages(line, golden), ...this.#noticeMessages(outbox)]);',
    }),
  ],
};
