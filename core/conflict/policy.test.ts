import { expect, test } from 'vitest';
import { policyOf } from '../../tests/conflict-world.ts';
import { compileConflictPolicy } from './policy.ts';

test('without a rule it is manual, and priority where a ranking is given', () => {
  expect(compileConflictPolicy('product', undefined, []).defaultRule.kind).toBe('manual');
  expect(policyOf({}).defaultRule.kind).toBe('manual');
  expect(policyOf({ ranking: ['erp'] }).defaultRule.kind).toBe('priority');
});

test('errors name the rule and the field, and suggest', () => {
  const errorOf = (rules: unknown) => {
    try {
      policyOf(rules);
    } catch (error) {
      return String(error);
    }
    return 'no error';
  };
  expect(errorOf({ ranking: ['erb'] })).toContain(
    'conflicts.product.ranking: no source `erb` has the kind `product`: did you mean `erp`?',
  );
  expect(errorOf({ ranking: ['erp', 'erp'] })).toContain('names the source `erp` twice');
  expect(errorOf({ fields: { price: 'priority' } })).toContain('conflicts.product.fields.price: `priority` needs a `ranking`');
  expect(errorOf({ default: 'source_wins', source: 'erp' })).toContain('`source_wins` needs `source` and `target`');
  expect(errorOf({ default: 'target_wins', source: 'erp', target: 'erp' })).toContain('are the same source');
  expect(errorOf({ deleteConflict: 'priority' })).toContain('conflicts.product.deleteConflict');
  const webhook = { strategy: 'webhook', url: 'https://a.example', secret: 's', fallback: 'priority' };
  expect(errorOf({ fields: { title: webhook } })).toContain('conflicts.product.fields.title.fallback');
  expect(errorOf({ default: 'newest' })).toContain('expected one of priority');
});

test('the id changes with whatever changes an outcome', () => {
  const ids = [{}, { ranking: ['erp'] }, { default: 'newest_wins' }, { deletions: 'when_all_gone' }].map(
    (rules) => policyOf(rules).id,
  );
  expect(new Set(ids).size).toBe(4);
  expect(policyOf({}).id).toBe(ids[0]);
});
