import { expect, test } from 'vitest';
import { parseConfig } from '../core/config/config.ts';
import { connectors } from './registry.ts';

test('every connector has a name of its own that a source or a target may be configured with', () => {
  const names = connectors.map((connector) => connector.name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, capabilities } of connectors) {
    if (capabilities.changes !== 'none') {
      const { sources } = parseConfig({ sources: { some: { connector: name as 'http', entities: {} } } });
      expect(sources.some?.connector).toBe(name);
    }
    if (capabilities.target) {
      const { targets } = parseConfig({
        targets: { some: { connector: name as 'postgres', url: 'postgres://h/d', entities: {} } },
      });
      expect(targets.some?.connector).toBe(name);
    }
  }
});
