import { Command } from 'commander';
import { expect, test } from 'vitest';
import { numberFromText } from '../../core/json.ts';
import { type Asked, fakeApi } from '../../tests/fake-api.ts';
import { addConflictsCommand } from './conflicts.ts';
import { addExplainCommand } from './explain.ts';

const id = '01a1fca6-862b-8f36-bca4-7e1bcec98a41';
const conflict = {
  conflictId: id,
  entityId: 'product:a/b',
  conflictType: 'concurrent-update',
  status: 'open',
  resolution: 'manual',
  fields: ['price'],
  createdAt: '2026-01-01T00:00:00.000000Z',
  details: {
    fields: {
      price: {
        status: 'open',
        rule: 'manual',
        base: numberFromText('12345678901234567.89')!,
        holder: 'ERP',
        value: 6,
        sides: [
          { source: 'ERP', eventId: 'e1', atMs: 0, value: 6 },
          { source: 'SHOP', eventId: 'e2', atMs: 1_000, value: 'se\u001b[31mven' },
        ],
      },
    },
  },
};
const refusal = {
  ...conflict,
  conflictType: 'constraint-violation',
  fields: [],
  details: { target: 'crm', letter: 'l-1', reason: 'violates\u001b crm_stock_check' },
};
const why = {
  entityId: 'product:a/b',
  kind: 'product',
  version: 3,
  deleted: false,
  fields: [
    {
      field: 'price',
      value: 6,
      source: 'ERP',
      eventId: 'e1',
      at: '2026-01-01T00:00:00.000000Z',
      rule: 'priority',
      overrode: [{ source: 'SHOP', eventId: 'e2', at: null }],
    },
  ],
};
const answers: Record<string, unknown> = {
  'GET /api/conflicts?status=open&entity_id=product%3Aa%2Fb&limit=5': { items: [conflict], next: 'more' },
  [`GET /api/conflicts/${id}`]: conflict,
  'GET /api/conflicts/refused': refusal,
  [`POST /api/conflicts/${id}/resolve`]: { conflictId: id, eventId: 'e3' },
  'GET /api/entities/product%3Aa%2Fb/explain': why,
  'GET /api/entities/product%3Aa%2Fb/explain?field=a+%26+b': { ...why, fields: [] },
};

const api = fakeApi(answers);

function bodiesOf(asked: readonly Asked[]): string[] {
  return asked.flatMap(({ body }) => (body === '' ? [] : [body]));
}

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride();
  addConflictsCommand(program);
  addExplainCommand(program);
  for (const command of [...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) command.exitOverride();
  await program.parseAsync([...words, '--url', api.url, '--key', 'k'], { from: 'user' });
}

test('conflicts are listed by a filter, with the way to the next page', async () => {
  await run('conflicts', 'list', '--status', 'open', '--entity', 'product:a/b', '--limit', '5');
  expect(api.output).toContain(`${id}  open`);
  expect(api.output).toContain('more: --cursor more');
});

test('a conflict is shown with both sides, the base and whose value stands, and drives no terminal', async () => {
  await run('conflicts', 'show', id);
  expect(api.output).toMatch(/price +open +before +12345678901234567\.89/);
  expect(api.output).toMatch(/ERP \(stands\) +1970-01-01T00:00:00\.000Z +6/);
  expect(api.output).not.toContain('\u001b');
});

test('what a target refused is shown with its reason and the way on', async () => {
  await run('conflicts', 'show', 'refused');
  expect(api.output).toContain('crm refused it: violates  crm_stock_check\n');
  expect(api.output).toContain('syncline targets replay | discard l-1');
});

test('a conflict is decided by a side, by sides field by field, by new values, or left as it is', async () => {
  await run('conflicts', 'resolve', id, '--choose', 'SHOP');
  await run('conflicts', 'resolve', id, '--side', 'price=SHOP', '--side', 'title=ERP');
  await run(
    'conflicts',
    'resolve',
    id,
    '--value',
    'price=12345678901234567.89',
    '--value',
    'title=Blue = cup',
    '--value',
    'x=null',
  );
  await run('conflicts', 'skip', id);
  expect(bodiesOf(api.asked)).toEqual([
    '{"choose":"SHOP"}',
    '{"choose":{"price":"SHOP","title":"ERP"}}',
    '{"fields":{"price":12345678901234567.89,"title":"Blue = cup","x":null}}',
    '{"skip":true}',
  ]);
  expect(api.output).toContain('decided: event e3 is on its way');
});

test('a decision that says nothing or too much is not sent', async () => {
  await expect(run('conflicts', 'resolve', id)).rejects.toThrow('say one of');
  await expect(run('conflicts', 'resolve', id, '--choose', 'SHOP', '--value', 'a=1')).rejects.toThrow('say one of');
  await expect(run('conflicts', 'resolve', id, '--value', 'price')).rejects.toThrow('field=value');
  expect(bodiesOf(api.asked)).toEqual([]);
});

test('an entity is explained whatever its id holds, with what was overridden', async () => {
  await run('explain', 'product:a/b');
  expect(api.output).toContain('product:a/b, version 3');
  expect(api.output).toMatch(/price +6 +ERP +priority +2026-01-01T00:00:00 +e1/);
  expect(api.output).toMatch(/\(absent\) +SHOP +overridden +e2/);
  api.clear();
  await run('explain', 'product:a/b', '--field', 'a & b', '--json');
  expect(JSON.parse(api.output)).toMatchObject({ fields: [] });
});

test('of a field that an entity does not have it is said which it has', async () => {
  await expect(run('explain', 'product:a/b', '--field', 'a & b')).rejects.toThrow(
    'there is no field a & b of product:a/b (there is: price)',
  );
});
