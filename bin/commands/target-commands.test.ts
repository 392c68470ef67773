import { Command } from 'commander';
import { expect, test } from 'vitest';
import { fakeApi } from '../../tests/fake-api.ts';
import { addTargetsCommand } from './targets.ts';

const letter = {
  id: '01a1fca6-862b-8f36-bca4-7e1bcec98a41',
  target: 'crm',
  entityId: 'product:a/b',
  code: 'target.rejected',
  reason: 'bad \u001b[31m value',
  status: 'parked',
  failedAt: '2026-01-01T00:00:00.000000Z',
};
const target = {
  name: 'crm',
  connector: 'postgres',
  kinds: ['order', 'product'],
  guard: { state: 'paused', reason: '40 of 100 records would be deleted', known: 100, approvedUntil: null },
  letters: { parked: 3, replaying: 1 },
};
const approved = { ...target, guard: { ...target.guard, state: 'running', approvedUntil: '2026-03-01T13:00:00.000Z' } };
const answers: Record<string, unknown> = {
  'GET /api/targets': { targets: [target] },
  'POST /api/targets/crm/approve': approved,
  'GET /api/targets/letters?': { items: [letter], next: 'more' },
  'GET /api/targets/letters?status=parked&target=crm&limit=5&entity_id=product%3Aa%2Fb': { items: [], next: null },
  [`POST /api/targets/letters/${letter.id}/replay`]: { ...letter, status: 'replaying' },
  [`POST /api/targets/letters/${letter.id}/discard`]: { ...letter, status: 'discarded' },
  'POST /api/targets/letters/replay': { replayed: 2, remaining: 1 },
};

const api = fakeApi(answers);

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride().configureOutput({ writeErr: () => undefined });
  addTargetsCommand(program);
  await program.parseAsync(['targets', ...words, '--url', api.url, '--key', 'k'], { from: 'user' });
}

test('targets are listed with what holds them back and how many letters they have', async () => {
  await run('list');
  expect(api.output).toMatch(/^crm +paused +order, product +100 +3 +1 +40 of 100 records would be deleted$/m);
});

test('a target is approved by its name, and until when nothing is held back is said', async () => {
  await run('approve', 'crm');
  expect(api.asked).toMatchObject([{ line: 'POST /api/targets/crm/approve', body: '' }]);
  expect(api.output).toBe('crm is running; nothing is held back until 2026-03-01T13:00:00.000Z\n');
  await expect(run('approve', '../crm')).rejects.toThrow('there is nothing here\nfix: see /docs');
  expect(api.asked.at(-1)?.line).toBe('POST /api/targets/..%2Fcrm/approve');
});

test('letters are listed, and none of them drives the terminal', async () => {
  await run('letters');
  expect(api.output).toContain(`${letter.id}  parked  2026-01-01T00:00:00  crm     product:a/b`);
  expect(api.output).toContain('more: --cursor more');
  expect(api.output).not.toContain('\u001b');
});

test('filters go to the API as they are', async () => {
  await run('letters', '--status', 'parked', '--target', 'crm', '--entity', 'product:a/b', '--limit', '5', '--json');
  expect(JSON.parse(api.output)).toEqual({ items: [], next: null });
});

test('one is replayed, or all that a filter finds, and never both', async () => {
  await run('replay', letter.id);
  await run('replay', '--all', '--target', 'crm', '--entity', 'product:a/b', '--limit', '7');
  expect(api.asked.map(({ body }) => body)).toEqual(['', '{"target":"crm","entityId":"product:a/b","limit":7}']);
  expect(api.output).toBe(`${letter.id} is replaying\n2 replayed, 1 remain\n`);
  await expect(run('replay')).rejects.toThrow('--all');
  await expect(run('replay', letter.id, '--all')).rejects.toThrow('--all');
});

test('a letter is discarded with the reason', async () => {
  await run('discard', letter.id, '--reason', 'a test');
  expect(api.asked.at(-1)?.body).toBe('{"reason":"a test"}');
});
