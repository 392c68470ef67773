import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './source-tree.ts';

test('a new connector is a folder that runs the contract suite, and a line in the registry', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'new-connector-'));
  try {
    mkdirSync(join(elsewhere, 'connectors'));
    cpSync(join(root, 'connectors/registry.ts'), join(elsewhere, 'connectors/registry.ts'));
    const make = (name: string) =>
      execFileSync(process.execPath, [join(root, 'scripts/new-connector.ts'), name, elsewhere], { stdio: 'pipe' });
    make('gold-mine');
    const registry = readFileSync(join(elsewhere, 'connectors/registry.ts'), 'utf8');
    expect(registry).toContain("import { goldMineConnector } from './gold-mine/connector.ts';");
    expect(registry).toMatch(/ConnectorDeclaration\[\] = \[[^\]]*postgresConnector[^\]]*, goldMineConnector\]/);
    const suite = readFileSync(join(elsewhere, 'connectors/gold-mine/gold-mine-source.gold-mine.test.ts'), 'utf8');
    expect(suite).toContain("describeSourceConnector('gold-mine', openWorld)");
    expect(existsSync(join(elsewhere, 'connectors/gold-mine/gold-mine-table-reader.ts'))).toBe(true);
    expect(() => make('gold-mine')).toThrow(/there already/);
    expect(() => make('Gold')).toThrow(/usage/);
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});
