import { expect, it } from 'vitest';
import { change, describeRecordCodecs, nestingMax, recordBytesMax } from '../../tests/contracts/record-codecs.ts';
import { jsonCodecs } from './json-codec.ts';

describeRecordCodecs('JSON', async () => ({ codecs: jsonCodecs({ recordBytesMax, nestingMax }), close: async () => undefined }));

it('refuses bytes that are not UTF-8 instead of replacing them', async () => {
  const codec = await jsonCodecs().for('change', 'any');
  const bytes = Buffer.from(codec.encode(change) as string);
  bytes[bytes.indexOf('SKU-1')] = 0xff;
  expect(() => codec.decode(bytes)).toThrow(expect.objectContaining({ code: 'record.malformed' }));
});

it('lets fields pass that a newer process may have added', async () => {
  const codec = await jsonCodecs().for('change', 'any');
  expect(codec.decode(Buffer.from(JSON.stringify({ ...change, added: 1 })))).toMatchObject({ key: change.key });
});

it('accepts records below the default limits and refuses those above', async () => {
  const codec = await jsonCodecs().for('change', 'any');
  const codedBytes = Buffer.from(codec.encode({ ...change, data: { text: 'ü'.repeat(400_000) } }));
  expect(codec.decode(codedBytes).key).toBe(change.key);
  expect(() => codec.encode({ ...change, data: { text: 'ü'.repeat(500_000) } })).toThrow(
    expect.objectContaining({ code: 'record.too-large' }),
  );
});
