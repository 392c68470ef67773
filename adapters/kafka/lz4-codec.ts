import { compressFrame, decompressFrame } from 'lz4-napi';

/** LZ4 in its frame format, which is what Kafka's record batches hold; the block format is not. */
export const lz4Codec = {
  compress(encoder: { buffer: Buffer }): Promise<Buffer> {
    return compressFrame(encoder.buffer);
  },
  decompress(bytes: Buffer): Promise<Buffer> {
    return decompressFrame(bytes);
  },
};
