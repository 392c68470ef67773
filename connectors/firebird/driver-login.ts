import serialize from 'node-firebird/lib/wire/serialize.js';

const saltDigitsMax = 64;

let isMended = false;

/**
 * The server sends the salt of a password without leading zeros, and its key right behind it. The driver looks for the key
 * where it stands behind a salt of full length, and then waits for ever: one user in sixteen could never log in. So
 * the answer that holds both is read in such a way that the key is found wherever it begins.
 */
export function mendLogin(): void {
  if (isMended) return;
  isMended = true;
  const { BlrReader } = serialize;
  serialize.BlrReader = class extends BlrReader {
    constructor(buffer: Buffer) {
      super(buffer);
      const keyAt = buffer === undefined ? undefined : placeOfKey(buffer);
      if (keyAt === undefined) return;
      buffer.slice = (start = 0, end = buffer.length) => {
        return Buffer.from(buffer.subarray(start > 2 && end === buffer.length ? keyAt : start, end));
      };
    }
  };
}

/** Undefined where this is no salt with a key behind it, or where the driver finds it by itself. */
function placeOfKey(answer: Buffer): number | undefined {
  if (answer.length < 6) return undefined;
  const saltDigits = answer.readUInt16LE(0);
  if (saltDigits === 0 || saltDigits >= saltDigitsMax || answer.length < saltDigits + 4) return undefined;
  const keyDigits = answer.readUInt16LE(saltDigits + 2);
  const isWhole = keyDigits > 0 && answer.length === saltDigits + keyDigits + 4;
  return isWhole && /^[\dA-Fa-f]+$/.test(answer.toString('latin1', 2, saltDigits + 2)) ? saltDigits + 4 : undefined;
}
