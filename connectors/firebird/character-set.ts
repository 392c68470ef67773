import { SyncError } from '../../core/errors.ts';

export interface CharacterSet {
  decode(bytes: Buffer): string;
  encode(text: string): Buffer;
}

const labels: Readonly<Record<string, string>> = {
  UTF8: 'utf-8',
  UNICODE_FSS: 'utf-8',
  ASCII: 'utf-8',
  LATIN1: 'iso-8859-1',
  DOS866: 'ibm866',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
};

const known = new Map<string, CharacterSet>();

/** By Firebird's names: WIN1252, ISO8859_15, KOI8R. */
export function characterSetOf(name: string): CharacterSet {
  const found = known.get(name) ?? make(name);
  known.set(name, found);
  return found;
}

function make(name: string): CharacterSet {
  const label = labels[name] ?? name.replace(/^WIN(\d+)$/, 'windows-$1').replace(/^ISO8859_(\d+)$/, 'iso-8859-$1');
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    decoder = new TextDecoder(label);
  } catch {
    throw new SyncError('config.invalid', `no character set is called ${name}: say WIN1252, ISO8859_1, UTF8 or the like`);
  }
  if (label === 'utf-8') return { decode: (bytes) => decoder.decode(bytes), encode: (text) => Buffer.from(text, 'utf8') };
  const bytesOf = new Map(Array.from({ length: 256 }, (_, byte) => [decoder.decode(Uint8Array.of(byte)), byte]));
  return {
    decode: (bytes) => decoder.decode(bytes),
    encode(text) {
      return Buffer.from(
        Array.from(text, (character) => {
          const byte = bytesOf.get(character);
          if (byte === undefined) throw new RangeError(`${name} has no character ${JSON.stringify(character)}`);
          return byte;
        }),
      );
    },
  };
}
