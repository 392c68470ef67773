import { expect, test } from 'vitest';
import { unknownName } from './unknown-name.ts';

test('who names what there is not is told what there is', () => {
  expect(unknownName('source', 'erb', ['shop', 'erp']).message).toBe(
    'there is no source erb, did you mean erp? (there are: erp, shop)',
  );
  expect(unknownName('stream', 'customers', ['products'], 'erp').message).toBe(
    'there is no stream customers of erp (there is: products)',
  );
  expect(unknownName('target', 'crm', []).message).toBe('there is no target crm (there is none)');
});

test('of very many the message names some', () => {
  const { message } = unknownName(
    'kind',
    'x',
    Array.from({ length: 33 }, (_none, n) => `kind${n}`),
  );
  expect(message).toMatch(/and 3 more\)$/);
});
