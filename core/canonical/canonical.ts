/**
 * The canonical text of a value: equal values have one text, whatever system or language wrote them. Its
 * SHA-256 is the checksum that tables, topics and caches carry. docs/canonical-checksum.md defines the form
 * for other languages and vectors.json holds examples; a change here is a change of every stored checksum.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import type { Checksum } from '../change-event.ts';
import { ExactNumber, fieldOf, type JsonObject, type JsonValue } from '../json.ts';

export function checksumOf(value: JsonValue): Checksum {
  return checksumOfText(canonicalText(value));
}

/** For a text that `canonicalText` or a compiled writer made. */
export function checksumOfText(canonical: string): Checksum {
  return hash('sha256', canonical, 'hex') as Checksum;
}

export function canonicalText(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'number':
      assert(Number.isFinite(value), 'NaN and Infinity are no JSON values');
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    default:
      if (value === null) return 'null';
      if (value instanceof ExactNumber) return value.text;
      if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
      assert(typeof value === 'object', `a value of type ${typeof value} is no JSON value`);
      return writerFor(Object.keys(value))(value);
  }
}

/**
 * Characters that a canonical string may not simply hold as they are: those JSON escapes, and everything from
 * U+0300 on, where Unicode normalisation begins to change text and where surrogates lie.
 */
const notPlain = /[^ !#-[\]-\u02ff]/;

function canonicalString(text: string): string {
  return notPlain.test(text) ? JSON.stringify(text.normalize('NFC')) : `"${text}"`;
}

type Writer = (record: JsonObject) => string;

/**
 * A writer for records whose fields are known: the text of `canonicalText` for a record that has no other
 * fields, without listing and sorting them again for each.
 */
export function compileCanonical(fields: readonly string[]): Writer {
  const sorted = sortByCodePoint(fields);
  const labels = sorted.map((field) => `${JSON.stringify(field)}:`);
  const inherited = sorted.some((field) => field in Object.prototype);
  return (record) => {
    let text = '{';
    for (let i = 0; i < sorted.length; i++) {
      const field = sorted[i]!;
      const value = inherited ? fieldOf(record, field) : record[field];
      if (value === undefined) continue;
      text += text.length === 1 ? labels[i] : `,${labels[i]}`;
      text += typeof value === 'string' ? canonicalString(value) : canonicalText(value);
    }
    return `${text}}`;
  };
}

/**
 * Records of one table list their fields in one order, so the last writers are kept by that list. Bounded:
 * one writer a slot, and no lists that are long in themselves.
 */
const writerSlots: ({ readonly fields: readonly string[]; readonly write: Writer } | undefined)[] = new Array(64);
const keptFieldsMax = 100;
const keptFieldLengthMax = 200;

function writerFor(fields: readonly string[]): Writer {
  const first = fields[0];
  if (first === undefined) return () => '{}';
  const last = fields[fields.length - 1]!;
  const slot = (fields.length * 31 + first.length * 7 + last.length + first.charCodeAt(0) * 3 + last.charCodeAt(0)) & 63;
  const kept = writerSlots[slot];
  if (kept !== undefined && sameFields(kept.fields, fields)) return kept.write;
  const write = compileCanonical(fields);
  if (fields.length <= keptFieldsMax && fields.every((field) => field.length <= keptFieldLengthMax)) {
    writerSlots[slot] = { fields, write };
  }
  return write;
}

function sameFields(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

const surrogateOrAbove = /[\ud800-\uffff]/;

/** Without duplicates. JavaScript compares UTF-16 units, which puts U+10000 and above before U+E000–U+FFFF. */
export function sortByCodePoint(fields: readonly string[]): string[] {
  const sorted = [...new Set(fields)].sort();
  return sorted.some((field) => surrogateOrAbove.test(field)) ? sorted.sort(compareCodePoints) : sorted;
}

function compareCodePoints(left: string, right: string): number {
  const lengthMin = Math.min(left.length, right.length);
  for (let i = 0; i < lengthMin; i++) {
    const [a, b] = [left.charCodeAt(i), right.charCodeAt(i)];
    if (a !== b) return codePointRank(a) - codePointRank(b);
  }
  return left.length - right.length;
}

/** Moves surrogates behind all other units: a pair stands for a code point above U+FFFF. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
