import type { EngineAnswer, EngineCell, EngineColumn } from './engine.ts';
import { packetType } from './requests.ts';
import type { ServerError } from './server-error.ts';

/** What a server of TDS 7.4 answers, as MS-TDS has it. */
const serverName = 'double';
/** Latin1_General, as `SQL_Latin1_General_CP1_CI_AS` numbers it. */
const collation = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);
const status = { more: 1, error: 2, count: 16, attention: 32 } as const;

/** A message as packets of a size both have agreed on. */
export function packetsOf(body: Buffer, packetBytes: number): Buffer[] {
  const most = packetBytes - 8;
  const packets: Buffer[] = [];
  for (let at = 0; at === 0 || at < body.length; at += most) {
    const part = body.subarray(at, at + most);
    const header = Buffer.alloc(8);
    header[0] = packetType.response;
    header[1] = at + most >= body.length ? 1 : 0;
    header.writeUInt16BE(part.length + 8, 2);
    header[6] = (packets.length + 1) % 256;
    packets.push(header, part);
  }
  return packets;
}

/** Version 16, and no encryption. */
export function preloginAnswer(): Buffer {
  const options: readonly (readonly [number, readonly number[]])[] = [
    [0, [16, 0, 0, 0, 0, 0]],
    [1, [2]],
    [2, [0]],
    [3, []],
    [4, [0]],
  ];
  const heads: number[] = [];
  const data: number[] = [];
  for (const [token, bytes] of options) {
    const offset = options.length * 5 + 1 + data.length;
    heads.push(token, offset >> 8, offset & 255, bytes.length >> 8, bytes.length & 255);
    data.push(...bytes);
  }
  return Buffer.from([...heads, 0xff, ...data]);
}

export function loginAnswer(database: string, packetBytes: number): Buffer {
  const acknowledged = Buffer.concat([
    Buffer.from([1, 0x74, 0, 0, 4]),
    shortText('Microsoft SQL Server'),
    Buffer.from([16, 0, 0, 0]),
  ]);
  return Buffer.concat([
    environment(1, shortText(database), shortText('master')),
    environment(7, Buffer.concat([Buffer.from([5]), collation]), Buffer.from([0])),
    token(0xad, acknowledged),
    environment(4, shortText(String(packetBytes)), shortText('4096')),
    done(0xfd, 0, 0),
  ]);
}

const transactionSteps = { begin: 8, commit: 9, rollback: 10 } as const;

export function transactionAnswer(step: keyof typeof transactionSteps): Buffer {
  const descriptor = Buffer.from([8, 1, 0, 0, 0, 0, 0, 0, 0]);
  const nothing = Buffer.from([0]);
  const [now, before] = step === 'begin' ? [descriptor, nothing] : [nothing, descriptor];
  return Buffer.concat([environment(transactionSteps[step], now, before), done(0xfd, 0, 0)]);
}

/** Of a batch, or of a procedure that ran one. */
export function answersOf(answers: readonly EngineAnswer[], error: ServerError | undefined, isCall: boolean): Buffer {
  const within = isCall ? 0xff : 0xfd;
  const parts = answers.flatMap((answer) => [rowsOf(answer), done(within, status.more | status.count, answer.count)]);
  if (error !== undefined) parts.push(errorToken(error));
  const end = error === undefined ? 0 : status.error;
  if (isCall) parts.push(Buffer.from([0x79, 0, 0, 0, 0]), done(0xfe, end, 0));
  else parts.push(done(0xfd, end, 0));
  return Buffer.concat(parts);
}

/** Of `sp_prepare`: what the statement is called from now on. */
export function preparedAnswer(handle: number): Buffer {
  const head = Buffer.from([0xac, 0, 0]);
  const isOutput = Buffer.from([1, 0, 0, 0, 0, 0, 0]);
  const value = Buffer.concat([Buffer.from([0x26, 4, 4]), numberOf(handle)]);
  return Buffer.concat([head, shortText('@handle'), isOutput, value, answersOf([], undefined, true)]);
}

export function errorAnswer(...errors: readonly ServerError[]): Buffer {
  return Buffer.concat([...errors.map(errorToken), done(0xfd, status.error, 0)]);
}

/** What was asked has ended because the client wanted it to. */
export function attentionAnswer(): Buffer {
  return done(0xfd, status.attention, 0);
}

function rowsOf({ columns, rows }: EngineAnswer): Buffer {
  if (columns.length === 0) return Buffer.alloc(0);
  const types = columns.map(wireTypeOf);
  const heads = columns.map(({ name }, at) => {
    const flags = Buffer.from([0, 0, 0, 0, 1, 0]);
    return Buffer.concat([flags, types[at]!.head, shortText(name)]);
  });
  const count = Buffer.alloc(3);
  count[0] = 0x81;
  count.writeUInt16LE(columns.length, 1);
  return Buffer.concat([count, ...heads, ...rows.map((row) => rowOf(row, types))]);
}

/** Rows with an empty field say in front which they are. */
function rowOf(row: readonly EngineCell[], types: readonly WireType[]): Buffer {
  const empty = Buffer.alloc(Math.ceil(row.length / 8));
  for (const [at, cell] of row.entries()) if (cell === null) empty[at >> 3]! |= 1 << (at & 7);
  const values = row.map((cell, at) => (cell === null ? Buffer.alloc(0) : types[at]!.encode(cell)));
  const head = row.includes(null) ? Buffer.concat([Buffer.from([0xd2]), empty]) : Buffer.from([0xd1]);
  return Buffer.concat([head, ...values]);
}

interface WireType {
  readonly head: Buffer;
  encode(cell: string | Buffer): Buffer;
}

const wideBytesMax = 8_000;
const partBytes = 60_000;

function wireTypeOf({ type, precision, scale }: EngineColumn): WireType {
  if (/^(CHARACTER|VARCHAR)/.test(type)) {
    const isLong = type.includes('LARGE') || precision * 2 > wideBytesMax;
    const bytesMax = isLong ? 0xffff : Math.max(precision * 2, 2);
    return {
      head: Buffer.concat([Buffer.from([0xe7, bytesMax & 255, bytesMax >> 8]), collation]),
      encode: (cell) => sized(Buffer.from(String(cell), 'utf16le'), isLong),
    };
  }
  if (/^BINARY/.test(type)) {
    const isLong = type.includes('LARGE') || precision > wideBytesMax;
    const bytesMax = isLong ? 0xffff : precision;
    return { head: Buffer.from([0xa5, bytesMax & 255, bytesMax >> 8]), encode: (cell) => sized(cell as Buffer, isLong) };
  }
  switch (type) {
    case 'BOOLEAN':
      return { head: Buffer.from([0x68, 1]), encode: (cell) => Buffer.from([1, cell === 'TRUE' ? 1 : 0]) };
    case 'SMALLINT':
      return { head: Buffer.from([0x26, 2]), encode: (cell) => counted(2, (bytes) => bytes.writeInt16LE(Number(cell), 1)) };
    case 'INTEGER':
      return { head: Buffer.from([0x26, 4]), encode: (cell) => counted(4, (bytes) => bytes.writeInt32LE(Number(cell), 1)) };
    case 'BIGINT':
      return {
        head: Buffer.from([0x26, 8]),
        encode: (cell) => counted(8, (bytes) => bytes.writeBigInt64LE(BigInt(String(cell)), 1)),
      };
    case 'REAL':
    case 'DOUBLE PRECISION':
      return { head: Buffer.from([0x6d, 8]), encode: (cell) => counted(8, (bytes) => bytes.writeDoubleLE(Number(cell), 1)) };
    case 'NUMERIC':
    case 'DECIMAL':
      return { head: Buffer.from([0x6a, 17, precision, scale]), encode: (cell) => decimal(String(cell), scale) };
    case 'TIMESTAMP':
      return { head: Buffer.from([0x2a, 7]), encode: (cell) => dateTime(String(cell)) };
    default:
      throw new Error(`the double sends no ${type}: convert it`);
  }
}

function counted(length: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length + 1);
  bytes[0] = length;
  write(bytes);
  return bytes;
}

function decimal(text: string, scale: number): Buffer {
  const isNegative = text.startsWith('-');
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  let left = BigInt(whole + fraction.padEnd(scale, '0'));
  return counted(17, (bytes) => {
    bytes[1] = isNegative ? 0 : 1;
    for (let at = 2; at < 18; at++, left >>= 8n) bytes[at] = Number(left & 255n);
  });
}

const dayMs = 86_400_000;
const firstDayMs = Date.parse('0001-01-01T00:00:00Z');

/** A DATETIME2(7): hundreds of nanoseconds since midnight, days since the first of January of the year 1. */
function dateTime(text: string): Buffer {
  const [day, time] = text.split(' ') as [string, string];
  const [clock, fraction = ''] = time.split('.');
  const [hours, minutes, seconds] = clock!.split(':').map(Number);
  const ticks = BigInt((hours! * 60 + minutes!) * 60 + seconds!) * 10_000_000n + BigInt(fraction.padEnd(7, '0').slice(0, 7));
  return counted(8, (bytes) => {
    bytes.writeUIntLE(Number(ticks), 1, 5);
    bytes.writeUIntLE((Date.parse(`${day}T00:00:00Z`) - firstDayMs) / dayMs, 6, 3);
  });
}

/** What may be longer than a field goes in parts. */
function sized(bytes: Buffer, isLong: boolean): Buffer {
  if (!isLong) {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(bytes.length);
    return Buffer.concat([length, bytes]);
  }
  const announced = Buffer.alloc(8);
  announced.writeBigUInt64LE(BigInt(bytes.length));
  const parts: Buffer[] = [announced];
  for (let at = 0; at < bytes.length; at += partBytes) {
    const part = bytes.subarray(at, at + partBytes);
    parts.push(numberOf(part.length), part);
  }
  return Buffer.concat([...parts, numberOf(0)]);
}

function numberOf(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function errorToken({ number, severity, message }: ServerError): Buffer {
  const text = Buffer.from(message, 'utf16le');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(message.length);
  const body = [numberOf(number), Buffer.from([1, severity]), length, text, shortText(serverName), shortText(''), numberOf(1)];
  return token(0xaa, Buffer.concat(body));
}

function environment(kind: number, now: Buffer, before: Buffer): Buffer {
  return token(0xe3, Buffer.concat([Buffer.from([kind]), now, before]));
}

function token(code: number, body: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head[0] = code;
  head.writeUInt16LE(body.length, 1);
  return Buffer.concat([head, body]);
}

function done(code: number, flags: number, count: number): Buffer {
  const bytes = Buffer.alloc(13);
  bytes[0] = code;
  bytes.writeUInt16LE(flags, 1);
  bytes.writeBigUInt64LE(BigInt(count), 5);
  return bytes;
}

/** Its length in characters as one byte, and the characters. */
function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'utf16le')]);
}
