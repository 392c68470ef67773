import { expect, test } from 'vitest';
import { parseConfig } from '../core/config/config.ts';
import { connectors } from './registry.ts';

test('every connector has a name of its own that a source may be configured with', () => {
  const names = connectors.map((connector) => connector.name);
  expect(new Set(names).size).toBe(names.length);
  for (const connector of names) {
    const config = parseConfig({ sources: { some: { connector: connector as 'http', entities: {} } } });
    expect(config.sources.some?.connector).toBe(connector);
  }
});
