import { expect, test } from 'vitest';
import { type AccountingInput, accountOf, countedByProcessor, lagOf } from './accounting.ts';

const raw = { topic: 'source.shop.orders', partition: 0 };
const canonical = { topic: 'entity.orders', partition: 0 };

/** Ten received: eight read, of which three were stopped and five sent on, four of these settled. */
const busy: AccountingInput = {
  rawEnds: [{ ...raw, end: 10 }],
  canonicalEnds: [{ ...canonical, end: 7 }],
  processors: [{ ...raw, nextOffset: 8, forwarded: 5 }],
  syncManagers: [{ ...canonical, nextOffset: 6 }],
  outcomes: [
    { ...raw, outcome: 'unchanged', countedBy: countedByProcessor, records: 2 },
    { ...raw, outcome: 'dead-lettered', countedBy: countedByProcessor, records: 1 },
    { ...raw, outcome: 'applied', countedBy: 'entity.orders/0', records: 3 },
    { ...raw, outcome: 'dead-lettered', countedBy: 'entity.orders/0', records: 1 },
  ],
};

test('every record received has an outcome or is in flight', () => {
  const account = accountOf(busy);
  expect(account).toMatchObject({ received: 10, inFlight: 3, balanced: true, atRest: false });
  expect(account.outcomes).toMatchObject({ unchanged: 2, applied: 3, 'dead-lettered': 2, stale: 0 });
  const sum = Object.values(account.outcomes).reduce((total, records) => total + records, account.inFlight);
  expect(sum).toBe(account.received);
});

test('nothing received is balanced and at rest', () => {
  expect(
    accountOf({ rawEnds: [{ ...raw, end: 0 }], canonicalEnds: [], processors: [], syncManagers: [], outcomes: [] }),
  ).toMatchObject({
    received: 0,
    inFlight: 0,
    balanced: true,
    atRest: true,
  });
});

test('a partition nobody has read yet is in flight whole', () => {
  const account = accountOf({ ...busy, processors: [], outcomes: [], rawEnds: [{ ...raw, end: 4 }] });
  expect(account).toMatchObject({ inFlight: 4, balanced: true });
});

test('a record that was read and has no outcome is noticed', () => {
  const account = accountOf({ ...busy, outcomes: busy.outcomes.slice(1) });
  expect(account.balanced).toBe(false);
  expect(account.partitions[0]?.faults[0]).toContain('8 records read');
});

test('a record that was sent on and lost is noticed as soon as nothing is left to read', () => {
  const account = accountOf({ ...busy, syncManagers: [{ ...canonical, nextOffset: 7 }] });
  expect(account.partitions[0]?.faults).toEqual(['1 records sent on are not settled, but only 0 are left to read']);
});

test('a record that was settled twice is noticed', () => {
  const twice = { ...raw, outcome: 'applied', countedBy: 'entity.orders/1', records: 2 } as const;
  expect(accountOf({ ...busy, outcomes: [...busy.outcomes, twice] }).balanced).toBe(false);
});

test('reading beyond the end of the log is noticed', () => {
  expect(accountOf({ ...busy, rawEnds: [{ ...raw, end: 7 }] }).balanced).toBe(false);
});

test('the lag of a partition without progress is its whole length', () => {
  expect(
    lagOf(
      [
        { ...raw, end: 5 },
        { ...canonical, end: 7 },
      ],
      [{ ...canonical, nextOffset: 6 }],
    ),
  ).toBe(6);
});
