import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeApi, Refusal } from '../../tests/fake-api.ts';
import { addRepairCommand } from './repair.ts';
import { addVerifyCommand } from './verify.ts';

const id = '01a1fca6-862b-4f36-bca4-7e1bcec98a41';
const part = { system: 'crm', kind: 'product', state: 'differs', records: 12, findings: 1, moving: 0, reason: null };
const running = {
  id,
  state: 'running',
  records: 5,
  findings: 0,
  parts: [{ ...part, state: 'running', records: 5, findings: 0 }],
};
const differing = { id, state: 'differs', records: 12, findings: 1, parts: [part] };
const finding = {
  system: 'crm',
  kind: 'product',
  finding: 'differs',
  entityId: 'product:A',
  key: 'A',
  fields: ['label', 'stock'],
  reason: null,
};
const equalId = '01a1fca6-862b-4f36-bca4-7e1bcec98a42';
const failedId = '01a1fca6-862b-4f36-bca4-7e1bcec98a43';
const repair = {
  id,
  verificationId: id,
  state: 'done',
  dryRun: true,
  reason: null,
  outcomes: { planned: 1, left: 1, differs: 0 },
};
const item = { ...finding, key: 'B', action: 'write', outcome: 'planned' };
const none = { items: [], next: null };
const neverEqual = { system: 'crm', kind: 'product', through: null, findings: 2, moving: 0 };
const everVerified = [{ ...neverEqual, checkedAt: '2026-03-01T12:00:00.000000Z' }];
let verified: object[] = everVerified;
let refusal: Refusal | undefined;
let shows = 0;

const api = fakeApi({
  get 'POST /api/verifications'() {
    return refusal ?? { id, state: 'waiting', records: 0, findings: 0 };
  },
  // Running at first, then ended.
  get [`GET /api/verifications/${id}`]() {
    return shows++ < 1 ? running : differing;
  },
  [`GET /api/verifications/${id}/findings?state=found&limit=100`]: { items: [finding], next: null },
  [`GET /api/verifications/${equalId}`]: { ...differing, id: equalId, state: 'equal', parts: [] },
  [`GET /api/verifications/${equalId}/findings?state=found&limit=100`]: none,
  [`GET /api/verifications/${failedId}`]: { ...differing, id: failedId, state: 'failed', parts: [] },
  [`GET /api/verifications/${failedId}/findings?state=found&limit=100`]: none,
  [`POST /api/verifications/${id}/cancel`]: { id, state: 'running', records: 0, findings: 0 },
  get 'GET /api/verifications/through'() {
    return { verified };
  },
  'POST /api/repairs': { ...repair, state: 'waiting', outcomes: {} },
  [`GET /api/repairs/${id}`]: repair,
  [`GET /api/repairs/${id}/items?limit=500`]: { items: [item], next: 'more' },
  [`GET /api/repairs/${id}/items?limit=500&cursor=more`]: {
    items: [{ ...item, key: 'C', action: 'none', outcome: 'left', reason: 'it is frozen' }],
    next: null,
  },
});

beforeEach(() => {
  shows = 0;
  verified = everVerified;
  refusal = undefined;
  process.exitCode = undefined;
});
afterEach(() => {
  process.exitCode = undefined;
});

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride().configureOutput({ writeErr: () => undefined });
  addVerifyCommand(program);
  addRepairCommand(program);
  await program.parseAsync([...words, '--url', api.url, '--key', 'k'], { from: 'user' });
}

test('without waiting a verification is started and how to see it is said', async () => {
  await run('verify', '--system', 'crm', '--system', 'erp', '--kind', 'product', '--settle', '9');
  expect(api.asked[0]?.body).toBe('{"systems":["crm","erp"],"kinds":["product"],"settleSeconds":9}');
  expect(api.output).toContain(`syncline verify --show ${id}`);
  expect(process.exitCode).toBeUndefined();
});

test('one that is waited for shows how far it is, what differs and in which fields, and ends with code 1', async () => {
  await run('verify', '--wait');
  expect(api.output).toContain('crm product: running, 5 records, 0 to look at');
  expect(api.output).toMatch(/^crm +product +differs +A +label, stock$/m);
  expect(api.output).toContain(`syncline repair --dry-run ${id}`);
  expect(process.exitCode).toBe(1);
});

test.each([
  [equalId, 0],
  [failedId, 2],
])('one that ended without a difference ends with code 0, one that failed with 2', async (shown, code) => {
  await run('verify', '--show', shown);
  expect(process.exitCode).toBe(code);
});

test('waiting is broken off by an interrupt, and what is waited for goes on', async () => {
  const said: string[] = [];
  const write = process.stderr.write;
  process.stderr.write = ((text: string) => said.push(text) > 0) as typeof write;
  try {
    shows = Number.NEGATIVE_INFINITY;
    const waiting = run('verify', '--wait');
    await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(0);
    process.emit('SIGINT');
    shows = 0;
    await waiting;
  } finally {
    process.stderr.write = write;
  }
  expect(said.join('')).toContain(`verification ${id} goes on`);
  expect(api.asked.some(({ line }) => line.includes('cancel'))).toBe(false);
  expect(process.exitCode).toBe(130);
});

test('a verification is ended by its id, and up to when each system was equal is shown', async () => {
  await run('verify', '--cancel', id);
  await run('verify', '--through');
  expect(api.output).toMatch(/^crm +product +never +2 +0 +2026-03-01T12:00:00$/m);
  await expect(run('verify', '--cancel', id, '--through')).rejects.toThrow('one of them');
});

test('where nothing was verified it is said how to', async () => {
  verified = [];
  await run('verify', '--through');
  expect(api.output).toBe('nothing was verified so far: `syncline verify --wait` does it\n');
});

test('what is wrong with a request is said whole, and nothing has to be looked up', async () => {
  const errors = [
    { field: 'systems', message: 'there is no system crn' },
    { field: 'kinds', message: 'there is no kind produkt' },
  ];
  refusal = new Refusal({ detail: 'body: systems: and one more', fix: 'listed in `errors`', code: 'request.invalid', errors });
  const asked = run('verify', '--system', 'crn', '--kind', 'produkt');
  await expect(asked).rejects.toThrow(/^systems: there is no system crn\nkinds: there is no kind produkt$/);
});

test('a dry run shows page by page what would be done and why not, and is no failure', async () => {
  await run('repair', id, '--dry-run', '--delete-unknown');
  expect(api.asked[0]?.body).toBe(`{"verification":"${id}","dryRun":true,"deleteUnknown":true}`);
  expect(api.output).toMatch(/^crm +product +B +differs +label, stock +write +planned$/m);
  expect(api.output).toMatch(/^crm +product +C +differs +label, stock +none +left +it is frozen$/m);
  expect(api.output).toContain('nothing was changed');
  expect(process.exitCode).toBeUndefined();
});

test('without an id the last verification is repaired, and what is left is a failure of code 1', async () => {
  repair.dryRun = false;
  try {
    await run('repair', '--json');
  } finally {
    repair.dryRun = true;
  }
  expect(api.asked[0]?.body).toBe('{"dryRun":false,"deleteUnknown":false}');
  expect(JSON.parse(api.output)).toMatchObject({ id, items: [{ key: 'B' }, { key: 'C' }] });
  expect(process.exitCode).toBe(1);
});
