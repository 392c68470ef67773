import { expect, test } from 'vitest';
import type { StreamView } from '../core/ports/source-store.ts';
import { StreamWatch } from './verifier-stream.ts';

const resting: StreamView = {
  source: 'erp',
  stream: 'products',
  state: 'running',
  phase: 'waiting',
  reason: null,
  errorCode: null,
  epoch: 1,
  token: 1,
  owner: 'one',
  mark: null,
  changes: 0,
  lagMs: null,
  updatedAtMs: 0,
};

/** Shows one view after the other, the last for ever; a sleep takes its time at once. */
function watchOf(...views: (Partial<StreamView> | null)[]): StreamWatch {
  let nowMs = 0;
  let at = 0;
  const streams = async () => {
    const view = views[Math.min(at++, views.length - 1)];
    return view === null
      ? []
      : [
          { ...resting, stream: 'prices' },
          { ...resting, ...view },
        ];
  };
  const sleep = async (ms: number) => {
    nowMs += ms;
  };
  return new StreamWatch({ source: 'erp', stream: 'products', desk: { streams }, clock: { nowMs: () => nowMs, sleep } });
}

const forever = new AbortController().signal;

test.each<[string, Partial<StreamView> | null, RegExp | null]>([
  ['rests until it looks again', {}, null],
  ['reads changes', { phase: 'changes' }, null],
  ['is not known', null, /was not read so far/],
  ['is paused', { state: 'paused', reason: 'paused by ada' }, /is paused: paused by ada/],
  ['fails', { errorCode: 'source.misconfigured', reason: 'no table' }, /cannot be read: no table/],
  ['is read for the first time', { phase: 'snapshot' }, /for the first time/],
  ['lies with nobody', { owner: null }, /by no process/],
])('a source is compared only where its stream keeps up: one that %s', async (_what, view, refusal) => {
  const check = watchOf(view).check();
  if (refusal === null) await expect(check).resolves.toBeUndefined();
  else await expect(check).rejects.toMatchObject({ code: 'source.behind', message: expect.stringMatching(refusal) });
});

test('a stream that goes from one process to the next is waited for', async () => {
  await expect(watchOf({ owner: null }, { owner: null }, {}).check()).resolves.toBeUndefined();
});

test('a look that is under way is waited for', async () => {
  expect(await watchOf({ phase: 'changes' }, { phase: 'changes' }, {}).isToldSince(1_000, forever)).toBe(true);
});

test('one that reads without end has told of what is older than what it told last', async () => {
  const busy = { phase: 'changes', lagMs: 300, updatedAtMs: 10_000 } as const;
  expect(await watchOf(busy).isToldSince(9_700, forever)).toBe(true);
  expect(await watchOf(busy).isToldSince(9_701, forever)).toBe(false);
});

test('one that begins to fail, or never comes to an end, has not told', async () => {
  const failing = { errorCode: 'source.unavailable', reason: 'gone' };
  expect(await watchOf({ phase: 'changes' }, failing, {}).isToldSince(0, forever)).toBe(false);
  expect(await watchOf({ phase: 'changes' }).isToldSince(0, forever)).toBe(false);
});
