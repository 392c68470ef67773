import { expect, test } from 'vitest';
import type { RoleView } from '../core/ports/read-store.ts';
import type { TargetDesk } from '../core/ports/target-desk.ts';
import { targetSummaries } from './target-summary.ts';

const desk = {
  guards: async () => [
    { target: 'crm', state: 'paused', reason: '124 of 607 would be deleted' },
    { target: 'bi', state: 'running', reason: null },
  ],
  count: async ({ target, status }: { target: string; status: readonly string[] }) =>
    target === 'bi' && status[0] === 'parked' ? 3 : 0,
} as unknown as TargetDesk;

function roleWith(targets: object): RoleView {
  return { role: 'target', instance: 'h:1', state: 'running', details: { targets } as never, reportedAt: '', ageMs: 0 };
}

test('a target that its guard holds back says so, one that fails says why, and refused records are counted', async () => {
  const roles = [roleWith({ bi: { breaker: 'open', reason: 'the table product is missing' }, crm: { breaker: 'closed' } })];
  expect(await targetSummaries(desk, ['crm', 'bi', 'new'], roles)).toEqual([
    { target: 'crm', state: 'paused', reason: '124 of 607 would be deleted', letters: { parked: 0, replaying: 0 } },
    { target: 'bi', state: 'unreachable', reason: 'the table product is missing', letters: { parked: 3, replaying: 0 } },
    { target: 'new', state: 'running', reason: null, letters: { parked: 0, replaying: 0 } },
  ]);
});

test('where nothing is a target nobody is asked', async () => {
  expect(await targetSummaries({} as TargetDesk, [], [])).toEqual([]);
});
