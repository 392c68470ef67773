import { describeTargetConnector } from '../../tests/contracts/target-connector.ts';
import { MemoryTarget } from './memory-target.ts';

describeTargetConnector('memory', async () => {
  const target = new MemoryTarget('sku', {
    normalise: (row) => (typeof row.label === 'string' ? { ...row, label: row.label.toUpperCase() } : row),
    objection: (row) => ((row.stock as number) < 0 ? 'stock is below 0' : undefined),
  });
  return {
    connector: target,
    put: async (key, row) => target.put('product', key, row),
    at: async (key) => target.at('product', key),
    close: () => target.close(),
  };
});
