import { ExactNumber, isJsonObject, type JsonValue, numberFromText } from '../../core/json.ts';

/**
 * What PHP's `serialize` writes, in which WordPress keeps lists and maps. Lengths count bytes. Objects of classes are not
 * read: what they mean stands in PHP code.
 */
export function writePhp(value: JsonValue): string {
  if (value === null) return 'N;';
  if (typeof value === 'boolean') return `b:${value ? 1 : 0};`;
  if (typeof value === 'string') return `s:${Buffer.byteLength(value)}:"${value}";`;
  if (value instanceof ExactNumber) return writePhp(value.text);
  if (typeof value === 'number') return Number.isInteger(value) ? `i:${value};` : `d:${value};`;
  const entries: [string | number, JsonValue][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const written = entries.map(([key, inner]) => writePhp(phpKey(key)) + writePhp(inner));
  return `a:${entries.length}:{${written.join('')}}`;
}

/** Undefined where it is no such text. */
export function readPhp(text: string): JsonValue | undefined {
  const reader = new PhpReader(Buffer.from(text, 'utf8'));
  const value = reader.value();
  return reader.isAtEnd ? value : undefined;
}

/** PHP turns keys that look like whole numbers into numbers. */
function phpKey(key: string | number): string | number {
  return typeof key === 'string' && /^(?:0|-?[1-9]\d{0,14})$/.test(key) ? Number(key) : key;
}

const depthMax = 32;

class PhpReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth = 0): JsonValue | undefined {
    if (depth > depthMax) return undefined;
    const kind = this.#take(2);
    switch (kind) {
      case 'N;':
        return null;
      case 'b:':
        return this.#until(';') === '1';
      case 'i:':
      case 'd:':
        return numberFromText(this.#until(';') ?? '');
      case 's:':
        return this.#text();
      case 'a:':
        return this.#entries(depth);
      default:
        return undefined;
    }
  }

  #text(): string | undefined {
    const length = Number(this.#until(':'));
    if (!Number.isInteger(length) || this.#take(1) !== '"') return undefined;
    const text = this.#take(length);
    return this.#take(2) === '";' ? text : undefined;
  }

  /** A list where the keys count from zero, else an object. */
  #entries(depth: number): JsonValue | undefined {
    const count = Number(this.#until(':'));
    if (!Number.isInteger(count) || this.#take(1) !== '{') return undefined;
    const entries: [string | number, JsonValue][] = [];
    for (let read = 0; read < count; read++) {
      const key = this.value(depth + 1);
      const value = this.value(depth + 1);
      if ((typeof key !== 'string' && typeof key !== 'number') || value === undefined) return undefined;
      entries.push([key, value]);
    }
    if (this.#take(1) !== '}') return undefined;
    if (entries.every(([key], at) => key === at)) return entries.map(([, value]) => value);
    const object: JsonValue = Object.fromEntries(entries.filter(([key]) => key !== '__proto__'));
    return isJsonObject(object) ? object : undefined;
  }

  #until(end: string): string | undefined {
    const found = this.#bytes.indexOf(end, this.#at, 'latin1');
    if (found < 0) return undefined;
    const text = this.#bytes.toString('latin1', this.#at, found);
    this.#at = found + 1;
    return text;
  }

  #take(length: number): string {
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length;
    return text;
  }
}
