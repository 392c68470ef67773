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

test('up to when a system was verified is shown in seconds, and 0 where it never was equal', async () => {
  const metrics = createMetrics('api');
  const figures = createFigures(metrics);
  figures.verified([
    { system: 'crm', kind: 'products', through: '2026-03-01T12:00:00.500000Z', findings: 0 },
    { system: 'erp', kind: 'products', through: null, findings: 3 },
  ]);
  const names = ['syncline_verified_through_seconds', 'syncline_verification_findings'];
  const rows = rowsOf(await snapshotOf(metrics.registry), names);
  expect(rows.map(({ name, labels, value }) => `${name} ${labels.system} ${labels.entity_kind} ${value}`)).toEqual([
    'syncline_verified_through_seconds crm products 1772366400.5',
    'syncline_verified_through_seconds erp products 0',
    'syncline_verification_findings crm products 0',
    'syncline_verification_findings erp products 3',
  ]);
});
