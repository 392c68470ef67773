import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const folder = join(import.meta.dirname, '..', 'config');
const schemaIn = (file: string) => z.fromJSONSchema(JSON.parse(readFileSync(join(folder, file), 'utf8')));

test.each([
  ['config.yml', 'config.schema.json'],
  ['logging.yml', 'logging.schema.json'],
])('an editor that knows the schema finds nothing wrong with %s, references included', (file, schema) => {
  const result = schemaIn(schema).safeParse(parse(readFileSync(join(folder, file), 'utf8')));
  expect(result.error?.issues ?? []).toEqual([]);
});

test('an editor finds a misspelt setting', () => {
  expect(schemaIn('config.schema.json').safeParse({ kafka: { borkers: 'embedded' } }).success).toBe(false);
});
