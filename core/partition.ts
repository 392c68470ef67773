/**
 * The partition of a key: murmur2 as Kafka's own clients compute it, so that a record lands on the same partition
 * whichever client and language sent it.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key, 'utf8')) & 0x7fffffff) % partitions;
}

const multiplier = 0x5bd1e995;

function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let h = 0x9747b28c ^ length;
  const words = length >> 2;
  for (let word = 0; word < words; word++) {
    const at = word << 2;
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, multiplier);
    k ^= k >>> 24;
    k = Math.imul(k, multiplier);
    h = Math.imul(h, multiplier) ^ k;
  }
  const tail = words << 2;
  const rest = length & 3;
  if (rest === 3) h ^= bytes[tail + 2]! << 16;
  if (rest >= 2) h ^= bytes[tail + 1]! << 8;
  if (rest >= 1) {
    h ^= bytes[tail]!;
    h = Math.imul(h, multiplier);
  }
  h ^= h >>> 13;
  h = Math.imul(h, multiplier);
  return (h ^ (h >>> 15)) | 0;
}
