import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { avroEnvelopes } from '../../core/codec/avro-schemas.ts';
import { useSharedStack } from '../../stack/shared-stack.ts';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import { change, describeRecordCodecs, nestingMax, recordBytesMax } from '../../tests/contracts/record-codecs.ts';
import { avroCodecs } from './avro-codecs.ts';
import { createRegistryClient } from './registry-client.ts';

describeRecordCodecs('Avro', async () => {
  const { registry } = await useSharedStack(inject('stack'), ['registry']);
  return { codecs: await avroCodecs({ registryUrl: registry, recordBytesMax, nestingMax }), close: async () => undefined };
});

describe('Avro codecs', () => {
  let registryUrl: string;

  beforeAll(async () => {
    registryUrl = (await useSharedStack(inject('stack'), ['registry'])).registry;
  });

  it('refuse to begin when the schema in use is incompatible, naming the subject and the fields', async () => {
    const [, ...fields] = avroEnvelopes.change.fields;
    const other = {
      ...avroEnvelopes.change,
      fields: [{ name: 'eventId', type: 'long' as const }, { name: 'gone', type: 'int' as const }, ...fields],
    };
    await createRegistryClient(registryUrl).register('refused-value', other);
    const codecs = await avroCodecs({ registryUrl });
    await expect(codecs.for('change', 'refused')).rejects.toMatchObject({
      code: 'schema.incompatible',
      message: expect.stringContaining('refused-value'),
      details: { subject: 'refused-value', differences: ['eventId was long and is string', 'gone is gone and had no default'] },
    });
  });

  it('read what was written with another version of the schema', async () => {
    const newer = {
      ...avroEnvelopes.change,
      fields: [...avroEnvelopes.change.fields, { name: 'later', type: ['null', 'string'] as const, default: null }],
    };
    const written = await createRegistryClient(registryUrl).register('evolved-value', newer);
    const codec = await (await avroCodecs({ registryUrl })).for('change', 'evolved');
    const header = Buffer.alloc(5);
    header.writeUInt32BE(written.id, 1);
    const bytes = Buffer.concat([header, written.type.toBuffer({ ...change, data: JSON.stringify(change.data), later: 'x' })]);
    await codec.prepare?.([bytes]);
    expect(codec.decode(bytes)).toEqual(change);
  });

  it('say of a schema that nobody registered that it is unknown, and read the next record', async () => {
    const codec = await (await avroCodecs({ registryUrl })).for('change', 'unknown');
    const good = Buffer.from(codec.encode(change));
    const stray = Buffer.from(good);
    stray.writeUInt32BE(987_654, 1);
    await codec.prepare?.([stray, good]);
    expect(() => codec.decode(stray)).toThrow(
      expect.objectContaining({ code: 'schema.unknown', details: { schemaId: 987_654 } }),
    );
    expect(codec.decode(good)).toEqual(change);
  });

  it('take a message of another record for malformed', async () => {
    const codecs = await avroCodecs({ registryUrl });
    const golden = await createRegistryClient(registryUrl).register('foreign-value', { ...avroEnvelopes.golden, name: 'Other' });
    const codec = await codecs.for('change', 'unforeign');
    const bytes = Buffer.from(codec.encode(change));
    bytes.writeUInt32BE(golden.id, 1);
    await codec.prepare?.([bytes]);
    expect(() => codec.decode(bytes)).toThrow(expect.objectContaining({ code: 'record.malformed' }));
  });

  it('register a subject once, whoever asks at the same moment', async () => {
    const all = await Promise.all([1, 2, 3, 4].map(async () => (await avroCodecs({ registryUrl })).for('golden', 'raced')));
    expect(all).toHaveLength(4);
    const response = await fetch(`${registryUrl}/subjects/raced-value/versions`);
    expect(await response.json()).toEqual([1]);
    const config = await fetch(`${registryUrl}/config/raced-value`);
    expect(await config.json()).toMatchObject({ compatibilityLevel: 'FULL_TRANSITIVE' });
  });
});

describe('a registry that goes and comes back', () => {
  let stack: TestStack;

  beforeAll(async () => {
    stack = await acquireTestStack(['postgres', 'registry']);
  });
  afterAll(() => stack.stop());

  it('is unavailable by name, and after its restart yesterday’s message decodes', async () => {
    const registryUrl = stack.addresses.registry!;
    const codec = await (await avroCodecs({ registryUrl })).for('change', 'restarted');
    const bytes = Buffer.from(codec.encode(change));
    await stack.part('registry').stop();
    const codecs = await avroCodecs({ registryUrl });
    await expect(codecs.for('change', 'restarted')).rejects.toMatchObject({ code: 'registry.unavailable' });
    const stray = Buffer.from(bytes);
    stray.writeUInt32BE(4_711, 1);
    await expect(codec.prepare?.([stray])).rejects.toMatchObject({ code: 'registry.unavailable' });
    expect(codec.decode(bytes)).toEqual(change);
    await stack.part('registry').start();
    const reader = await (await avroCodecs({ registryUrl })).for('change', 'another-topic');
    await reader.prepare?.([bytes]);
    expect(reader.decode(bytes)).toEqual(change);
  }, 120_000);
});
