import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { expect, test } from 'vitest';
import type { RunningStack } from './stack.ts';
import { acquireTestStack } from './test-stack.ts';

const schema = JSON.stringify({ type: 'record', name: 'Product', fields: [{ name: 'sku', type: 'string' }] });

test('a registry schema outlives a restart, and yesterday’s message still decodes', { timeout: 180_000 }, async () => {
  const stack = await acquireTestStack(['postgres', 'registry']);
  const { id } = await clientOf(stack).register({ type: SchemaType.AVRO, schema }, { subject: 'product-value' });
  const message = await clientOf(stack).encode(id, { sku: 'SKU-1' });

  await stack.part('registry').kill('SIGKILL');
  await stack.part('postgres').stop();
  await stack.part('postgres').start();
  await stack.part('registry').start();

  expect(await clientOf(stack).decode(message)).toEqual({ sku: 'SKU-1' });
  expect(await clientOf(stack).getLatestSchemaId('product-value')).toBe(id);
  await stack.stop();
});

/** A new client each time: an old one would answer from its memory. */
function clientOf(stack: RunningStack): SchemaRegistry {
  return new SchemaRegistry({ host: stack.addresses.registry! });
}
