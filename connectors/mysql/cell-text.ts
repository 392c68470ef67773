import type { ColumnType } from './column-type.ts';
import type { Cell } from './mysql-session.ts';

/** JSON text of a value. */
export function jsonOf(type: ColumnType, cell: Cell): string {
  if (cell === null) return 'null';
  switch (type.kind) {
    case 'number':
      return type.zeroFilled ? withoutFill(cell.toString('latin1')) : cell.toString('latin1');
    case 'double':
    case 'bits':
      return cell.toString('latin1');
    case 'single':
      return String(shortestSingle(Number(cell.toString('latin1'))));
    case 'date':
    case 'time':
      return quotedAscii(withoutZeros(cell.toString('latin1')));
    case 'datetime':
      return quotedAscii(withoutZeros(cell.toString('latin1').replace(' ', 'T')));
    case 'timestamp':
      return quotedAscii(`${withoutZeros(cell.toString('latin1').replace(' ', 'T'))}Z`);
    case 'plain':
      return quotedAscii(cell.toString('latin1'));
    case 'bytes':
      return quotedAscii(cell.toString('base64'));
    case 'choices':
      return JSON.stringify(cell.length === 0 ? [] : cell.toString('utf8').split(','));
    case 'json':
      return validJson(cell.toString('utf8'));
    case 'text':
    case 'choice':
      return JSON.stringify(cell.toString('utf8'));
  }
}

/** A part of a key, or a watermark, as `boundLiteral` takes it back. */
export function boundTextOf(type: ColumnType, cell: Cell): string {
  if (cell === null) return '';
  switch (type.kind) {
    case 'bytes':
      return cell.toString('base64');
    case 'number':
      return type.zeroFilled ? withoutFill(cell.toString('latin1')) : cell.toString('latin1');
    default:
      return cell.toString('utf8');
  }
}

function quotedAscii(text: string): string {
  return `"${text}"`;
}

function withoutFill(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}

/** `12:00:00.1200` as `12:00:00.12`. */
function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** The check of MariaDB lets a little through that is no JSON elsewhere: that is told as text. */
function validJson(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

/** The fewest digits that lead back to the same single-precision number: 0.1, not 0.10000000149011612. */
function shortestSingle(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
