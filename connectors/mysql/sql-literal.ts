import type { ColumnType } from './column-type.ts';

/**
 * Values in statements. Texts and bytes are written as hexadecimal digits, and everything else must look like what it is:
 * nothing that comes from a record is ever read as SQL, whatever the server's mode.
 */
export function textLiteral(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text, 'utf8').toString('hex')}'`;
}

export function bytesLiteral(bytes: Buffer): string {
  return `X'${bytes.toString('hex')}'`;
}

export function quoted(identifier: string): string {
  return `\`${identifier.replaceAll('`', '``')}\``;
}

const decimalPattern = /^-?\d{1,65}(?:\.\d{1,38})?$/;
const doublePattern = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/;
const temporalPattern = /^-?\d[\d: .-]{0,30}$/;
const plainPattern = /^[0-9A-Za-z:.-]{1,64}$/;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * A part of a key as the database compares it with its column, in the column's own type and collation, so that the index
 * is used; undefined where no value of the column can look like that.
 */
export function boundLiteral(type: ColumnType, text: string): string | undefined {
  switch (type.kind) {
    case 'number':
    case 'bits':
      return decimalPattern.test(text) ? text : undefined;
    case 'double':
      return doublePattern.test(text) ? doubleText(text) : undefined;
    case 'single':
      // Compared as the double that the column's value is.
      return doublePattern.test(text) ? doubleText(String(Math.fround(Number(text)))) : undefined;
    case 'datetime':
    case 'timestamp':
      return temporalLiteral(text.replace('T', ' ').replace(/Z$/, ''));
    case 'date':
    case 'time':
      return temporalLiteral(text);
    case 'plain':
      return plainPattern.test(text) ? `'${text}'` : undefined;
    case 'bytes':
      return base64Pattern.test(text) ? bytesLiteral(Buffer.from(text, 'base64')) : undefined;
    case 'text':
      return `CONVERT(${textLiteral(text)} USING ${type.characterSet}) COLLATE ${type.collation}`;
    case 'choice':
    case 'choices':
      return binaryOf(textLiteral(text));
    case 'json':
      return undefined;
  }
}

/** With an exponent a number is a double, without one a decimal. */
function doubleText(text: string): string {
  return /e/i.test(text) ? text : `${text}e0`;
}

function temporalLiteral(text: string): string | undefined {
  return temporalPattern.test(text) ? `'${text}'` : undefined;
}

export function bytesFrom(base64: string): Buffer | undefined {
  return base64Pattern.test(base64) ? Buffer.from(base64, 'base64') : undefined;
}

/** Byte by byte, where a collation would hold different texts for one. */
export function binaryOf(expression: string): string {
  return `CAST(${expression} AS BINARY)`;
}
