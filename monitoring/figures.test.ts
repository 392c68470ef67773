import { expect, test } from 'vitest';
import { createFigures } from './figures.ts';
import { rowsOf } from './metric-rows.ts';
import { createMetrics, snapshotOf } from './metrics.ts';

test('differences are shown per pair, kind and way, zero included, and not after their pair is gone', async () => {
  const metrics = createMetrics('api');
  const figures = createFigures(metrics);
  const shown = async () => {
    const rows = rowsOf(await snapshotOf(metrics.registry), ['syncline_differences_entities']);
    return rows.map(({ labels, value }) => `${labels.left} ${labels.right} ${labels.entity_kind} ${labels.difference} ${value}`);
  };
  const pair = { leftSource: 'SHOP', rightSource: 'ERP', entityKind: 'products', onlyLeft: 2, onlyRight: 1, differs: 0 };
  figures.differences([pair, { ...pair, entityKind: 'orders' }]);
  figures.differences([pair]);
  expect(await shown()).toEqual([
    'SHOP ERP products only_left 2',
    'SHOP ERP products only_right 1',
    'SHOP ERP products differs 0',
  ]);
});
